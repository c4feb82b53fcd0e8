// Parentheses behind a value that only say again what it is.
#pragma once

#include <string>

namespace urpo::answers {

// "12\text{ (twelve)}", "\text{twelve (12)}", "12\text{ (minimum)}", "12\text{ (at } x = 2)" as
// "12"; "12\ (\text{cm})" with its unit. Any other text as it is: "12\text{ (thirteen)}",
// "12\text{ (or 13)}".
std::string without_remark(std::string normalized_text);

}  // namespace urpo::answers
