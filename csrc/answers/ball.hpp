// Real and complex numbers as balls: a midpoint and a radius that surely holds the true value.
//
// Fixed point with 320 fractional bits. An operation enlarges the radius by what it rounds, so that
// a ball without zero proves a number different from zero. Equality is never proved by balls, only
// made overwhelmingly likely by a tiny one around zero.
#pragma once

#include <stdexcept>

#include "rational.hpp"

namespace urpo::answers {

// The expression has no value here: a division by zero, a logarithm of a negative number.
struct Undefined : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Ball {
 public:
  static constexpr std::size_t kFractionBits = 320;
  // Of the integer part; larger values throw LimitExceeded.
  static constexpr std::size_t kIntegerBits = 4096;

  Ball() = default;
  explicit Ball(const Rational& value);

  // -1 or 1 for a ball without zero, else 0.
  int sign() const;
  // Surely no further from zero than 2^-bits.
  bool within(std::size_t bits) const;
  bool exact_zero() const { return mid_.is_zero() && radius_.is_zero(); }
  // The nearest integer to the midpoint.
  BigInt rounded() const;

  Ball operator-() const;
  friend Ball operator+(const Ball& a, const Ball& b);
  friend Ball operator-(const Ball& a, const Ball& b) { return a + -b; }
  friend Ball operator*(const Ball& a, const Ball& b);
  friend Ball operator/(const Ball& a, const Ball& b);  // Undefined if `b` may be zero

  // Undefined outside of their domains, LimitExceeded where they are too large.
  friend Ball sqrt(const Ball& x);
  friend Ball exp(const Ball& x);
  friend Ball log(const Ball& x);
  friend Ball sin(const Ball& x);
  friend Ball atan(const Ball& x);
  static Ball pi();

 private:
  Ball(BigInt mid, BigInt radius);
  Ball scaled_down(std::size_t bits) const;

  BigInt mid_;     // times 2^-kFractionBits, like the radius
  BigInt radius_;  // never negative
};

inline Ball cos(const Ball& x) { return sin(x + Ball::pi() * Ball(Rational(1, 2))); }

struct ComplexBall {
  Ball re;
  Ball im;

  bool is_real() const { return im.exact_zero(); }
  // Surely not zero.
  bool nonzero() const { return re.sign() != 0 || im.sign() != 0; }
  bool within(std::size_t bits) const { return re.within(bits) && im.within(bits); }
};

ComplexBall operator+(const ComplexBall& a, const ComplexBall& b);
ComplexBall operator-(const ComplexBall& a, const ComplexBall& b);
ComplexBall operator*(const ComplexBall& a, const ComplexBall& b);
ComplexBall operator/(const ComplexBall& a, const ComplexBall& b);
// Principal values.
ComplexBall sqrt(const ComplexBall& x);
ComplexBall exp(const ComplexBall& x);
ComplexBall power(const ComplexBall& base, const Rational& exponent);

}  // namespace urpo::answers
