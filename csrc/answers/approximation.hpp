// Whether a number that is said to be about another one is.
#pragma once

#include <optional>

#include "tree.hpp"

namespace urpo::answers {

// Whether `rounded` is within one unit of its last place of `exact`: 3.46 of 2\sqrt3, not 6 of 5.
// None where one of them is no real number, or takes too long to evaluate.
std::optional<bool> may_round_to(const Node& exact, const Node& rounded);

// Whether two numbers may be the same; of what is no number, anything may.
bool may_equal(const Node& a, const Node& b);

}  // namespace urpo::answers
