// Whether a final answer means the same as a gold answer.
#pragma once

#include <string_view>

#include "verdict.hpp"

namespace urpo::answers {

// Longer answers (in bytes) are no final answers.
inline constexpr std::size_t kMaxAnswerBytes = 20'000;

// Both in UTF-8, the contents of a box or plain text. "No" is as sure as "yes"; what neither the
// rules nor the arithmetic here decide for sure is undecided. Never throws for any text; time and
// memory are bounded by kMaxAnswerBytes and the budget of a comparison.
Verdict equivalent(std::string_view answer, std::string_view gold);

}  // namespace urpo::answers
