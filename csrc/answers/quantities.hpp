// What units and nouns say beside the value they stand behind.
#pragma once

#include <optional>

#include "closed_form.hpp"
#include "tree.hpp"
#include "verdict.hpp"

namespace urpo::answers {

// Whether the words behind an answer are the gold's, or leave its value as it is.
bool says_only_a_value(const Node& answer, const Node& gold);

// Degrees on one side, and a multiple of pi without a unit, or radians, on the other; nothing for
// anything else.
std::optional<Verdict> compare_angles(const Node& answer, const Node& gold, Budget& budget);

}  // namespace urpo::answers
