// Whether two values are the same: formulas, numbers with units, percentages, ratios.
#pragma once

#include "closed_form.hpp"
#include "tree.hpp"
#include "verdict.hpp"

namespace urpo::answers {

Verdict compare_scalars(const Node& answer, const Node& gold, Budget& budget);

}  // namespace urpo::answers
