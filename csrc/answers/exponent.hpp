// The exponents in canonical forms: small fractions.
#pragma once

#include <cstdint>
#include <utility>

#include "rational.hpp"

namespace urpo::answers {

// A small fraction in lowest terms.
struct Exponent {
  std::int64_t numerator = 1;
  std::int64_t denominator = 1;

  bool is_integer() const { return denominator == 1; }
  friend bool operator==(const Exponent& a, const Exponent& b) {
    return a.numerator == b.numerator && a.denominator == b.denominator;
  }
  friend bool operator<(const Exponent& a, const Exponent& b) {
    return std::pair(a.numerator, a.denominator) < std::pair(b.numerator, b.denominator);
  }
};

// In lowest terms; LimitExceeded for what is too large. `denominator` is positive.
Exponent make_exponent(std::int64_t numerator, std::int64_t denominator);
Exponent to_exponent(const Rational& value);
Exponent operator+(const Exponent& a, const Exponent& b);
Exponent operator*(const Exponent& a, const Exponent& b);

// The largest integer not above it.
std::int64_t floor_of(const Exponent& e);

// prime^exponent; LimitExceeded if that is too large.
Rational rational_power_of_prime(std::int64_t prime, std::int64_t exponent);

}  // namespace urpo::answers
