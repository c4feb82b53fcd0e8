// What kind of answer a tree is, and other trees that say the same.
#pragma once

#include <vector>

#include "tree.hpp"

namespace urpo::answers {

// A list, a set, or a choice of signs.
bool is_several(const Node& node);

bool is_approximated(const Node& node);

// "(x, y) = (1, 2)"
bool names_point(const Node& node);

// "x = 1, y = 2", unlike "x = 1, x = 2" and "x = 1, 2".
bool has_several_names(const std::vector<NodePtr>& list);

// "(x, y) = (1, 2)" or "x = 1, y = 2"
bool names_coordinates(const Node& node);

// "(x, y) = (1, 2)" as "x = 1, y = 2". Throws Unsupported for another number of values.
NodePtr spelled_out(const Node& point);

// "x_1 = 2, x_2 = 3": the values of one unknown, which have no order.
bool are_indexed(const std::vector<NodePtr>& list);

// "b = 4, a = 3" in the order that a point of them has.
std::vector<NodePtr> by_name(std::vector<NodePtr> list);

// Whether both or neither are joined by "or", where that matters: "a = 2 or b = 3" gives neither
// value, so it is no "a = 2, b = 3" and no point.
bool joined_alike(const Node& answer, const Node& gold);

// f(x) = ... and y = ... are the same function.
bool is_value_of_y(const Node& function, const Node& name);

void strip_common_name(std::vector<NodePtr>& list);

// \{\emptyset\}, \{\{1\}\}: a set is not its element where that is a set itself.
bool is_set_of_set(const Node& node);

// {1}, {} and the like, which are no values.
bool is_set(const Node& node);

// \{5, \{7\}\}, or \{1, 2\}, \{3\} without braces around: a set among the elements is one of them.
bool has_sets_as_elements(const Node& node);

// "A \cap B": a formula of sets that only have names.
bool has_names_only(const Node& node);

// Without approximations and names; {5} is 5, and x in S is S.
NodePtr simplified(const NodePtr& node);

// A number, a quantity or a matrix.
bool is_plain(const Node& node);

// Two ends in square brackets are an interval, more of them a vector.
bool is_vector(const Node& bracketed);

// k M with the factor multiplied in; its text is "scaled" then.
NodePtr scaled_matrix(const NodePtr& node);

// A point as the row or column that the other side is, "[[1, 2], [3, 4]]" as a matrix.
NodePtr as_matrix(const NodePtr& node, const Node& other);

// An answer f(t) = ... with the letter of the gold f(x) = ..., where that is free in it.
NodePtr with_argument_of(const NodePtr& gold, const NodePtr& answer);

}  // namespace urpo::answers
