// Numbers written in words.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace urpo::answers {

// The LaTeX of "twelve", "one hundred and five", "two thirds", "three and a half", "minus four",
// "infinity", in folded words (words.hpp).
std::optional<std::string> number_in_words(std::string_view folded);

}  // namespace urpo::answers
