// Answers with a parameter: "\frac{\pi}{4} + k\pi, k \in \mathbb{Z}".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace urpo::answers {

// All values of a formula for one letter.
struct Family {
  std::string formula;
  char letter = 0;
  std::string domain;  // "Z", "N", "Z^+", "R"
};

// Reads the condition behind a formula, after a comma, in parentheses or in words, or that of a
// set: "(k \in \mathbb{Z})", "where k is an integer", "\{k\pi | k \in \mathbb{Z}\}".
std::optional<Family> read_family(std::string_view normalized_text);

// "x > 3, x \in \mathbb{Z}": the letter is no parameter but what is asked for.
bool restricts_unknown(const Family& family);

// A family in the letter of another; none where they run over other numbers, or the letter has a
// meaning already.
std::optional<std::string> in_letter_of(const Family& family, const Family& other);

}  // namespace urpo::answers
