// Kendall's tau-a, the reward of a judgement (URPO paper, section 3.2.1).
#pragma once

#include <cstddef>
#include <cstdint>

namespace urpo {

// For each of `groups` groups of N_g = offsets[g + 1] - offsets[g] items:
//
//     tau[g] = 2 / (N (N - 1)) * sum_{i < j} sign[(s_i - s_j) (g_i - g_j)]
//
// A pair tied in either ranking counts 0 and stays in the denominator. Values are compared, never
// subtracted, so that neither overflow nor underflow can invent or lose a tie.
//
// `scores` and `truth` hold offsets[groups] values each, group after group; offsets[0] is 0.
// Throws std::invalid_argument, naming the group, for NaN or a group of fewer than 2 items.
void kendall_tau(const double* scores, const double* truth, const std::int64_t* offsets,
                 std::size_t groups, double* tau);

// The same for groups of n items each: `scores` and `truth` are (groups, n) arrays.
// max_lanes: widest vectors to use, in values; 1: none.
void kendall_tau(const double* scores, const double* truth, std::int64_t n, std::size_t groups,
                 double* tau, int max_lanes);

}  // namespace urpo
