// Kendall's tau-a of many small groups of one length, several groups at a time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace urpo {

// Longest groups that kendall_rows takes: beyond it sorting beats comparing all pairs.
constexpr std::int64_t kAllPairsLimit = 64;

// Values in a vector of this processor: 2, 4 (AVX2) or 8 (AVX-512).
int native_lanes();

// Taus of the first groups of a (groups, n) array, 2 <= n <= kAllPairsLimit, for scores and truth
// as in kendall.hpp. Returns how many groups it has done: `groups` without the remainder that does
// not fill a vector. Vectors hold native_lanes() values or max_lanes, whichever is less.
// Sets `may_have_nan` when one of the groups holds a NaN; infinities may set it as well. The tau of
// a group with a NaN means nothing.
std::size_t kendall_rows(const double* scores, const double* truth, std::int64_t n,
                         std::size_t groups, double* tau, bool& may_have_nan, int max_lanes);

}  // namespace urpo
