// What stands around the value of an answer in words, and says nothing else.
#pragma once

#include <string>
#include <string_view>

namespace urpo::answers {

// Without "The answer is", "Answer:", "exactly" before the value, "negative" as a sign, "Rs." and
// "US" as currencies, "th" behind a place, and with "(base 2)" as a subscript.
std::string without_wording(std::string normalized_text);

// "5 m^2" as "5\text{ m}^2": a lone letter that is a unit, of an answer to a gold without letters.
std::string with_unit_as_text(const std::string& answer, const std::string& gold);

}  // namespace urpo::answers
