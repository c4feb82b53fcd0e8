#include "kendall_rows_512.hpp"

#if defined(__x86_64__)

#if !defined(__clang__)
// GCC 12 warns of the vectors that its own header leaves undefined on purpose.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <utility>

#include "kendall_rows.hpp"

#define URPO_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

namespace urpo {
namespace {

constexpr int kLanes = 8;

// Tables of _mm512_fixupimm_pd, which makes a number's sign of it: one instruction, where a
// comparison would make a mask that has to be made a vector again. Four bits a class of number, the
// lowest first: quiet NaN, signalling NaN, zero, one, -infinity, infinity, negative, positive; 2
// stands for NaN, 8 for 0.0, 9 for -1.0, 10 for 1.0.
constexpr long long kSignOrNan = 0xA9A9A822;
constexpr long long kSignOrZero = 0xA9A9A888;

// Where lane `lane` of column k comes from when vector `source` of a block joins those before it:
// 8 and more is that vector, less is what was gathered so far.
constexpr long long origin(int lane, int length, int k, int source) {
  const int element = lane * length + k;
  if (element / kLanes == source) return kLanes + element % kLanes;
  return source == 1 && element < kLanes ? element % kLanes : lane;
}

// Column K of eight groups that lie in `Length` whole vectors.
template <int Length, int K, int Source = 1>
URPO_AVX512 inline __m512d gather_column(const __m512d* block, __m512d gathered) {
  if constexpr (Source == Length) {
    return gathered;
  } else {
    const __m512i origins = _mm512_set_epi64(
        origin(7, Length, K, Source), origin(6, Length, K, Source), origin(5, Length, K, Source),
        origin(4, Length, K, Source), origin(3, Length, K, Source), origin(2, Length, K, Source),
        origin(1, Length, K, Source), origin(0, Length, K, Source));
    return gather_column<Length, K, Source + 1>(
        block, _mm512_permutex2var_pd(gathered, origins, block[Source]));
  }
}

template <int Length, std::size_t... K>
URPO_AVX512 inline void gather_columns(const double* values, __m512d* columns,
                                       std::index_sequence<K...>) {
  __m512d block[Length];
  for (int i = 0; i < Length; ++i) block[i] = _mm512_loadu_pd(values + kLanes * i);
  ((columns[K] = gather_column<Length, static_cast<int>(K)>(block, block[0])), ...);
}

// The columns of eight groups of at most eight, each group in a vector of its own first.
template <int Length>
URPO_AVX512 inline void transpose(const double* values, __m512d* columns) {
  constexpr __mmask8 kWithin = (1 << Length) - 1;
  __m512d row[kLanes];
  for (int g = 0; g < kLanes; ++g) row[g] = _mm512_maskz_loadu_pd(kWithin, values + g * Length);
  for (int odd = 0; odd < 2; ++odd) {
    __m512d pair[4];  // of groups 2q and 2q + 1: their columns odd, odd + 2, odd + 4, odd + 6
    for (int q = 0; q < 4; ++q) {
      pair[q] = odd ? _mm512_unpackhi_pd(row[2 * q], row[2 * q + 1])
                    : _mm512_unpacklo_pd(row[2 * q], row[2 * q + 1]);
    }
    const __m512d low_04 = _mm512_shuffle_f64x2(pair[0], pair[1], 0x88);
    const __m512d high_04 = _mm512_shuffle_f64x2(pair[2], pair[3], 0x88);
    const __m512d low_26 = _mm512_shuffle_f64x2(pair[0], pair[1], 0xdd);
    const __m512d high_26 = _mm512_shuffle_f64x2(pair[2], pair[3], 0xdd);
    columns[odd] = _mm512_shuffle_f64x2(low_04, high_04, 0x88);
    columns[odd + 2] = _mm512_shuffle_f64x2(low_26, high_26, 0x88);
    if (odd + 4 < Length) columns[odd + 4] = _mm512_shuffle_f64x2(low_04, high_04, 0xdd);
    if (odd + 6 < Length) columns[odd + 6] = _mm512_shuffle_f64x2(low_26, high_26, 0xdd);
  }
}

// Value k of eight groups in columns[k].
template <int Length>
URPO_AVX512 inline void load(const double* values, int n, __m512d* columns) {
  if constexpr (Length == 0) {
    for (int k = 0; k < n; ++k) {
      columns[k] =
          _mm512_set_pd(values[7 * n + k], values[6 * n + k], values[5 * n + k], values[4 * n + k],
                        values[3 * n + k], values[2 * n + k], values[n + k], values[k]);
    }
  } else if constexpr (Length <= 4) {
    gather_columns<Length>(values, columns, std::make_index_sequence<Length>());
  } else {
    transpose<Length>(values, columns);
  }
}

// Of eight groups, the sums over their pairs of the products of both differences' signs.
template <int Length, long long Table>
URPO_AVX512 inline __m512d balances(const __m512d* s, const __m512d* t, int n) {
  const __m512i table = _mm512_set1_epi64(Table);
  __m512d sum = _mm512_setzero_pd();
#pragma GCC unroll 8
  for (int i = 1; i < n; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < i; ++j) {
      const __m512d ds = _mm512_sub_pd(s[i], s[j]), dt = _mm512_sub_pd(t[i], t[j]);
      sum = _mm512_fmadd_pd(_mm512_fixupimm_pd(ds, ds, table, 0),
                            _mm512_fixupimm_pd(dt, dt, table, 0), sum);
    }
  }
  return sum;
}

// Length is n where the compiler is to unroll the pairs, 0 for any n.
template <int Length>
URPO_AVX512 std::size_t rows_of(const double* scores, const double* truth, std::int64_t any_length,
                                std::size_t groups, double* tau, bool& may_have_nan) {
  constexpr int kCapacity = Length > 0 ? Length : kAllPairsLimit;
  const int n = Length > 0 ? Length : static_cast<int>(any_length);
  const __m512d num_pairs = _mm512_set1_pd(n * (n - 1) / 2);
  __m512d s[kCapacity], t[kCapacity];
  std::size_t done = 0;
  for (; done + kLanes <= groups; done += kLanes) {
    load<Length>(scores, n, s);
    load<Length>(truth, n, t);
    __m512d balance = balances<Length, kSignOrNan>(s, t, n);
    if (_mm512_cmp_pd_mask(balance, balance, _CMP_UNORD_Q) != 0) {
      // A NaN, or a difference of two equal infinities, which is a tie.
      may_have_nan = true;
      balance = balances<Length, kSignOrZero>(s, t, n);
    }
    _mm512_storeu_pd(tau + done, _mm512_div_pd(balance, num_pairs));
    scores += kLanes * n;
    truth += kLanes * n;
  }
  return done;
}

}  // namespace

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

std::size_t kendall_rows_512(const double* scores, const double* truth, std::int64_t n,
                             std::size_t groups, double* tau, bool& may_have_nan) {
  static constexpr decltype(&rows_of<0>) kRowsOf[] = {nullptr,    nullptr,    rows_of<2>,
                                                      rows_of<3>, rows_of<4>, rows_of<5>,
                                                      rows_of<6>, rows_of<7>, rows_of<8>};
  return (n <= 8 ? kRowsOf[n] : rows_of<0>)(scores, truth, n, groups, tau, may_have_nan);
}

}  // namespace urpo

#endif
