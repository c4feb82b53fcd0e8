// What a formula says behind a box that is a whole side of it.
#pragma once

#include <string>
#include <string_view>

namespace urpo::answers {

// Whether it goes on to another value: "\boxed{5} = 6", "\boxed{5} \approx 6", "\boxed{5} \to 6".
// "\boxed{5} = 2 + 3" and "\boxed{\frac23} \approx 0.67" do not, nor does what is no number.
bool leads_elsewhere(std::string_view content, std::string_view text, std::size_t end);

// The values that its formula lists behind a box: "6" of "$\boxed{5}, 6$"; empty without any.
std::string listed_behind(std::string_view text, std::size_t begin, std::size_t end);

}  // namespace urpo::answers
