#include "kendall_rows.hpp"

#include <cstring>

#include "kendall_rows_512.hpp"

// Group g of a vector lies in lane g: item k of all lanes is one vector, and a pair of items is
// compared in all groups by one instruction. The vectors are GCC's and clang's own vector types, so
// that nothing depends on what an auto-vectoriser makes of a loop; only AVX-512, whose comparisons
// are slow, has a file of its own. Which width is native is asked of the processor at run time: the
// same build runs on every machine of its architecture.

namespace urpo {
namespace {

template <int Lanes>
struct Vectors {
  typedef double Double __attribute__((vector_size(Lanes * sizeof(double))));
  typedef std::int64_t Mask __attribute__((vector_size(Lanes * sizeof(double))));  // 0 or -1 a lane
};

// kendall_rows for vectors of `Lanes` values. Length is n where the compiler is to unroll the
// pairs, 0 for any n.
template <int Lanes, int Length>
[[gnu::always_inline]] inline std::size_t rows_of(const double* scores, const double* truth,
                                                  std::int64_t any_length, std::size_t groups,
                                                  double* tau, bool& may_have_nan) {
  using Double = typename Vectors<Lanes>::Double;
  using Mask = typename Vectors<Lanes>::Mask;
  constexpr int kCapacity = Length > 0 ? Length : kAllPairsLimit;
  const int n = Length > 0 ? Length : static_cast<int>(any_length);
  const double num_pairs = static_cast<double>(n * (n - 1) / 2);
  const Double zero{};
  Double residue{};  // 0 times each value: NaN after a NaN, and after an infinity
  Double s[kCapacity], t[kCapacity];
  std::size_t done = 0;
  for (; done + Lanes <= groups; done += Lanes) {
    for (int k = 0; k < n; ++k) {
      for (int lane = 0; lane < Lanes; ++lane) {
        s[k][lane] = scores[lane * n + k];
        t[k][lane] = truth[lane * n + k];
      }
    }
    // Comparing each value with itself would say the same, but GCC does not do that in vectors.
    for (int k = 0; k < n; ++k) residue += s[k] * zero + t[k] * zero;
    Mask higher{}, lower{};  // sums of sign(t_i - t_j) over the pairs with s_i > s_j, s_i < s_j
    for (int i = 1; i < n; ++i) {
      for (int j = 0; j < i; ++j) {
        const Mask sign = (t[i] < t[j]) - (t[i] > t[j]);
        higher += sign & (s[i] > s[j]);
        lower += sign & (s[i] < s[j]);
      }
    }
    const Double taus = __builtin_convertvector(higher - lower, Double) / num_pairs;
    std::memcpy(tau + done, &taus, sizeof taus);
    scores += Lanes * n;
    truth += Lanes * n;
  }
  for (int lane = 0; lane < Lanes; ++lane) may_have_nan |= !(residue[lane] == 0);
  return done;
}

template <int Lanes>
[[gnu::always_inline]] inline std::size_t rows(const double* scores, const double* truth,
                                               std::int64_t n, std::size_t groups, double* tau,
                                               bool& may_have_nan) {
  switch (n) {
    case 2:
      return rows_of<Lanes, 2>(scores, truth, n, groups, tau, may_have_nan);
    case 3:
      return rows_of<Lanes, 3>(scores, truth, n, groups, tau, may_have_nan);
    case 4:
      return rows_of<Lanes, 4>(scores, truth, n, groups, tau, may_have_nan);
    case 5:
      return rows_of<Lanes, 5>(scores, truth, n, groups, tau, may_have_nan);
    case 6:
      return rows_of<Lanes, 6>(scores, truth, n, groups, tau, may_have_nan);
    case 7:
      return rows_of<Lanes, 7>(scores, truth, n, groups, tau, may_have_nan);
    case 8:
      return rows_of<Lanes, 8>(scores, truth, n, groups, tau, may_have_nan);
    default:
      return rows_of<Lanes, 0>(scores, truth, n, groups, tau, may_have_nan);
  }
}

// 128 bits: every x86-64 and every ARM64 processor.
std::size_t rows_128(const double* scores, const double* truth, std::int64_t n, std::size_t groups,
                     double* tau, bool& may_have_nan) {
  return rows<2>(scores, truth, n, groups, tau, may_have_nan);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] std::size_t rows_256(const double* scores, const double* truth,
                                             std::int64_t n, std::size_t groups, double* tau,
                                             bool& may_have_nan) {
  return rows<4>(scores, truth, n, groups, tau, may_have_nan);
}
#endif

}  // namespace

int native_lanes() {
#if defined(__x86_64__)
  if (has_avx512()) return 8;
  if (__builtin_cpu_supports("avx2")) return 4;
#endif
  return 2;
}

std::size_t kendall_rows(const double* scores, const double* truth, std::int64_t n,
                         std::size_t groups, double* tau, bool& may_have_nan, int max_lanes) {
  static const int native = native_lanes();
  const int lanes = max_lanes < native ? max_lanes : native;
#if defined(__x86_64__)
  if (lanes >= 8) return kendall_rows_512(scores, truth, n, groups, tau, may_have_nan);
  if (lanes >= 4) return rows_256(scores, truth, n, groups, tau, may_have_nan);
#endif
  if (lanes >= 2) return rows_128(scores, truth, n, groups, tau, may_have_nan);
  return 0;
}

}  // namespace urpo
