// Names of values, equations that give a value to one, and the elements that lists consist of.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tree.hpp"

namespace urpo::answers {

bool is_equation(const Node& node);

// x in S
bool is_membership(const Node& node);

// The symbols of a formula, and how many numbers it contains outside of function arguments.
void collect_names(const Node& node, std::set<std::string>& names, int& numbers);

// What a value may be called: x, f(2), AB, |AB|, NO / BO, S_1 : S_2, (p, q), sin A.
bool is_name(const Node& node);

// A name, or "a + b", "x^2 + y^2", "xy": what a problem may ask for, several letters and no numbers
// between.
bool is_asked_for(const Node& node);

struct Named {
  NodePtr name;  // null without one
  NodePtr value;
};

// "x = 5", "x = 2 + 3 = 5" and "5" as a name and a value.
Named named(const NodePtr& node);

// What stands before an approximation, unless that is only a name.
NodePtr without_approximation(const NodePtr& node);

// "1 \pm 2", which is two answers.
bool has_sign_choice(const Node& node);

// The parts of a list or set, with both signs of a choice. Throws LimitExceeded for too many,
// Unsupported for a point whose signs might be chosen one by one.
std::vector<NodePtr> elements(const NodePtr& node);

}  // namespace urpo::answers
