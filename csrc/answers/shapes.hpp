// Answers of several parts: lists, points, equations, matrices.
#pragma once

#include "closed_form.hpp"
#include "tree.hpp"
#include "verdict.hpp"

namespace urpo::answers {

// Throws what the parts throw.
Verdict compare_answers(const NodePtr& answer, const NodePtr& gold, Budget& budget);

}  // namespace urpo::answers
