// Plain numbers, and arithmetic that was left to do where one is asked for.
#pragma once

#include "tree.hpp"

namespace urpo::answers {

// An integer, decimal, fraction or mixed number as one writes a result.
bool is_plain_number(const Node& node);

// Arithmetic that was left to do: a sum, difference, product or second division of numbers where
// the gold answer is a plain number. It restates the problem, and a policy rewarded for that stops
// calculating. Not arithmetic: scientific notation, a prime factorisation with a power, and what is
// shorter than the digits of its value.
bool is_restatement(const Node& answer, const Rational& value);

}  // namespace urpo::answers
