// What stands beside a box on its line, as tokens of formulas and of prose.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace urpo::answers {

enum class Role {
  kSpace,     // and what only sets type
  kBoundary,  // ends a side of an equation, a member of a list, a formula: "=", ",", words
  kOperator,
  kOperand,
  kOpen,
  kClose,
  kEnd  // "$", "\)": the formula ends, words may follow
};

struct BoxToken {
  Role role = Role::kBoundary;
  std::size_t begin = 0;
  std::string_view text;
  bool is_command = false;
};

// The tokens of text[begin, end), of which text before it is none. Words, "=", commas and what else
// ends a formula are boundaries, whole text commands too.
std::vector<BoxToken> tokens_beside_box(std::string_view text, std::size_t begin, std::size_t end);

// Whether a formula is open where the tokens end.
bool is_in_formula(const std::vector<BoxToken>& before);

// "5 thousand", "5 squared"; "5 short of 12" is still 5.
bool is_scale(std::string_view word);

// The inside of "\\text{ thousand }"; another token as it is.
std::string_view text_inside(const BoxToken& token);

}  // namespace urpo::answers
