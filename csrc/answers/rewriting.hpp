// Notations that say the same as another one, rewritten as text before an answer is parsed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace urpo::answers {

// Without colours; bases and systems of equations in the notation that the parser knows; "U"
// between intervals as a union, "\mathbb{R} - \{2\}" and "all real numbers except 2" as a
// difference, "]2, 3[" with parentheses, "\varphi" as "\phi".
std::string in_common_notation(std::string normalized_text);

// Whether a text has a command that with_common_commands changes.
bool has_other_spelling(std::string_view normalized_text);

// With one command for each meaning of logic and geometry: "\lnot p" is "\neg p".
std::string with_common_commands(std::string_view normalized_text);

// For a gold in a base above ten with letters among its digits, "A1_{16}": whether the answer has
// the same digits, and the same base if it names one.
std::optional<bool> same_digits_and_base(std::string_view answer, std::string_view gold);

}  // namespace urpo::answers
