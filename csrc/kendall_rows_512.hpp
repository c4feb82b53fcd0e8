// kendall_rows in vectors of eight doubles, for processors with AVX-512.
#pragma once

#if defined(__x86_64__)

#include <cstddef>
#include <cstdint>

namespace urpo {

// Whether this processor has the instructions.
bool has_avx512();

// As kendall_rows, of which it is one width.
std::size_t kendall_rows_512(const double* scores, const double* truth, std::int64_t n,
                             std::size_t groups, double* tau, bool& may_have_nan);

}  // namespace urpo

#endif
