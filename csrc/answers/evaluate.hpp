// Numeric values of formulas, with bounds.
#pragma once

#include <map>
#include <string>

#include "ball.hpp"
#include "tree.hpp"

namespace urpo::answers {

struct Point {
  std::map<std::string, Rational> values;  // of the symbols
  bool real_only = false;                  // roots of negative numbers are undefined, not imaginary
};

// The value at a point. Throws Undefined outside of a domain or where a symbol has no value,
// Unsupported for what is no number, LimitExceeded for what is too large.
ComplexBall evaluate(const Node& node, const Point& point = {});

// The symbols of a formula, each with no value yet.
void collect_symbols(const Node& node, std::map<std::string, Rational>& symbols);

// The digits of all numbers in it, in bits: two constants of few bits cannot be as close as 2^-200
// without being equal, unless somebody searched for them.
std::size_t literal_bits(const Node& node);

bool contains(const Node& node, Kind kind);

// The argument of a function, with n pi / 180 for every n degrees in it.
NodePtr in_radians(const NodePtr& argument);

}  // namespace urpo::answers
