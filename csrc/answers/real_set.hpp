// Sets of real numbers: intervals, finite sets, their unions, and the inequalities that mean them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ball.hpp"
#include "closed_form.hpp"
#include "tree.hpp"
#include "verdict.hpp"

namespace urpo::answers {

// Surely a set, not a point that is written like an interval.
bool is_surely_set(const Node& node);

// An inequality or x != a, whatever it is about.
bool is_inequality(const Node& node);

// Compares two answers as sets. Undecided where one is none, or where end points cannot be ordered.
Verdict compare_sets(const NodePtr& answer, const NodePtr& gold, Budget& budget);

}  // namespace urpo::answers
