// One spelling for what Unicode and LaTeX spell in many ways.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace urpo::answers {

// The same answer with Unicode operators, superscripts, fractions and full-width or mathematical
// letters as LaTeX or ASCII, spacing commands as spaces, math delimiters and outer punctuation
// removed. Other text stays as UTF-8.
std::string normalized(std::string_view utf8);

// Without the white space that separates nothing, and without \left and \right.
std::string squeezed(std::string_view normalized_text);

// Where the brace is that closes the one before `text`, npos if none does; \{ and \} do not count.
std::size_t closing_brace(std::string_view text);

// Whether every brace is closed and none closes before it opens; \{ and \} do not count.
bool is_balanced(std::string_view text);

}  // namespace urpo::answers
