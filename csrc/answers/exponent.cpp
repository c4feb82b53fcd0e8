#include "exponent.hpp"

#include <numeric>

namespace urpo::answers {
namespace {

constexpr std::int64_t kMaxExponent = 1'000'000;

}  // namespace

Exponent make_exponent(std::int64_t numerator, std::int64_t denominator) {
  const std::int64_t common = std::gcd(numerator, denominator);
  const Exponent exponent{numerator / common, denominator / common};
  if (exponent.numerator > kMaxExponent || exponent.numerator < -kMaxExponent ||
      exponent.denominator > 10'000) {
    throw LimitExceeded("an exponent is too large");
  }
  return exponent;
}

Exponent to_exponent(const Rational& value) {
  if (value.numerator().bits() > 20 || value.denominator().bits() > 13)
    throw LimitExceeded("an exponent is too large");
  return make_exponent(value.numerator().to_int64(), value.denominator().to_int64());
}

Exponent operator+(const Exponent& a, const Exponent& b) {
  return make_exponent(a.numerator * b.denominator + b.numerator * a.denominator,
                       a.denominator * b.denominator);
}

Exponent operator*(const Exponent& a, const Exponent& b) {
  return make_exponent(a.numerator * b.numerator, a.denominator * b.denominator);
}

std::int64_t floor_of(const Exponent& e) {
  return (e.numerator >= 0 ? e.numerator : e.numerator - e.denominator + 1) / e.denominator;
}

Rational rational_power_of_prime(std::int64_t prime, std::int64_t exponent) {
  if (exponent > 4000 || exponent < -4000) throw LimitExceeded("a power is too large");
  const BigInt value =
      power(BigInt(prime), static_cast<std::uint64_t>(exponent < 0 ? -exponent : exponent));
  return exponent < 0 ? Rational(BigInt(1), value) : Rational(value);
}

}  // namespace urpo::answers
