// Times of the day: "10:30 a.m.", "8 PM", "22:30".
#pragma once

#include <optional>
#include <string_view>

#include "verdict.hpp"

namespace urpo::answers {

// Compares two times of the day if one of them says "a.m." or "p.m.": without that "3:04" may be a
// ratio. Where only one says it, the other may be of 24 hours or leave it out.
std::optional<Verdict> compare_clock_times(std::string_view normalized_answer,
                                           std::string_view normalized_gold);

}  // namespace urpo::answers
