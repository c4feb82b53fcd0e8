#include "ball.hpp"

#include <utility>

namespace urpo::answers {
namespace {

constexpr std::size_t kP = Ball::kFractionBits;

BigInt one() { return BigInt(1).shifted_left(kP); }

}  // namespace

Ball::Ball(BigInt mid, BigInt radius) : mid_(std::move(mid)), radius_(std::move(radius)) {
  if (mid_.bits() > kP + kIntegerBits || radius_.bits() > kP + kIntegerBits) {
    throw LimitExceeded("a value is too large to evaluate");
  }
}

Ball::Ball(const Rational& value)
    : Ball(value.numerator().shifted_left(kP) / value.denominator(),
           value.is_integer() ? BigInt() : BigInt(1)) {}

int Ball::sign() const {
  if (compare(mid_.abs(), radius_) <= 0) return 0;
  return mid_.negative() ? -1 : 1;
}

bool Ball::within(std::size_t bits) const { return (mid_.abs() + radius_).bits() + bits <= kP; }

BigInt Ball::rounded() const {
  const BigInt half = BigInt(1).shifted_left(kP - 1);
  return (mid_ + (mid_.negative() ? -half : half)).shifted_right(kP);
}

Ball Ball::operator-() const {
  Ball result = *this;
  result.mid_ = -mid_;
  return result;
}

Ball operator+(const Ball& a, const Ball& b) { return {a.mid_ + b.mid_, a.radius_ + b.radius_}; }

Ball operator*(const Ball& a, const Ball& b) {
  BigInt radius = a.mid_.abs() * b.radius_ + b.mid_.abs() * a.radius_ + a.radius_ * b.radius_;
  BigInt mid = a.mid_ * b.mid_;
  const bool exact = radius.is_zero() && mid.shifted_right(kP).shifted_left(kP) == mid;
  return {mid.shifted_right(kP), radius.shifted_right(kP) + (exact ? 0 : 2)};
}

Ball operator/(const Ball& a, const Ball& b) {
  if (b.sign() == 0) throw Undefined("a division by what may be zero");
  const BigInt quotient = a.mid_.shifted_left(kP) / b.mid_;
  const BigInt nearest = b.mid_.abs() - b.radius_;
  const BigInt spread = (quotient.abs() * b.radius_ + a.radius_.shifted_left(kP)) / nearest;
  return {quotient, spread + 2};
}

Ball Ball::scaled_down(std::size_t bits) const {
  return {mid_.shifted_right(bits), radius_.shifted_right(bits) + 2};
}

Ball sqrt(const Ball& x) {
  if (x.exact_zero()) return {};
  if (x.sign() <= 0) throw Undefined("a root of what may be negative");
  const BigInt root = integer_root(x.mid_.shifted_left(kP), 2);
  const BigInt least = integer_root((x.mid_ - x.radius_).shifted_left(kP), 2);
  if (least.is_zero()) throw Undefined("a root of what may be zero");
  return {root, x.radius_.shifted_left(kP) / least + 2};
}

Ball exp(const Ball& x) {
  // e^x = (e^(x / 2^k))^(2^k): the series is short and each squaring doubles the relative error.
  if (x.mid_.bits() > kP + 12) throw LimitExceeded("an exponent is too large");
  constexpr std::size_t kHalvings = 24;
  const Ball reduced = x.scaled_down(kHalvings);
  Ball term(Rational(1));
  Ball sum = term;
  for (std::int64_t n = 1; n < 40 && !term.within(kP - 2); ++n) {
    term = term * reduced / Ball(Rational(n));
    sum = sum + term;
  }
  sum.radius_ = sum.radius_ + 8;  // the rest of the series is below its last term
  for (std::size_t i = 0; i < kHalvings; ++i) sum = sum * sum;
  return sum;
}

Ball log(const Ball& x) {
  if (x.sign() <= 0) throw Undefined("a logarithm of what may not be positive");
  // Halve until within [1/2, 1), then 2 artanh((m - 1) / (m + 1)).
  const auto artanh2 = [](const Ball& m) {
    const Ball unit(Rational(1));
    const Ball t = (m - unit) / (m + unit);
    const Ball square = t * t;
    Ball power = t;
    Ball sum = t;
    for (std::int64_t n = 3; n < 800 && !power.within(kP - 2); n += 2) {
      power = power * square;
      sum = sum + power / Ball(Rational(n));
    }
    sum.radius_ = sum.radius_ + 8;
    return sum + sum;
  };
  const auto binary = static_cast<std::int64_t>(x.mid_.bits()) - static_cast<std::int64_t>(kP);
  Ball mantissa;
  if (binary >= 0) {
    mantissa = x.scaled_down(static_cast<std::size_t>(binary));
  } else {
    const auto up = static_cast<std::size_t>(-binary);
    mantissa = Ball(x.mid_.shifted_left(up), x.radius_.shifted_left(up));
  }
  return artanh2(mantissa) - Ball(Rational(binary)) * artanh2(Ball(Rational(1, 2)));
}

Ball Ball::pi() {
  // Machin: pi = 16 atan(1/5) - 4 atan(1/239), by the series of the arc tangent.
  static const Ball value = [] {
    const auto arc = [](std::int64_t inverse) {
      BigInt power = one() / BigInt(inverse);
      BigInt sum = power;
      for (std::int64_t n = 3; !power.is_zero(); n += 2) {
        power = power / BigInt(-inverse * inverse);
        sum = sum + power / BigInt(n);
      }
      return sum;
    };
    return Ball(BigInt(16) * arc(5) - BigInt(4) * arc(239), BigInt(1).shifted_left(14));
  }();
  return value;
}

Ball sin(const Ball& x) {
  if (x.mid_.bits() > kP + 64) throw LimitExceeded("an angle is too large");
  const Ball half_pi = Ball::pi() * Ball(Rational(1, 2));
  const BigInt quarters = (x / half_pi).rounded();
  const Ball rest = x - Ball(Rational(quarters)) * half_pi;
  const Ball square = rest * rest;
  const std::int64_t quadrant = ((quarters % BigInt(4)).to_int64() + 4) % 4;
  const bool cosine = quadrant % 2 == 1;
  Ball term = cosine ? Ball(Rational(1)) : rest;
  Ball sum = term;
  for (std::int64_t n = cosine ? 1 : 2; n < 150 && !term.within(kP - 2); n += 2) {
    term = -(term * square / Ball(Rational(n * (n + 1))));
    sum = sum + term;
  }
  sum.radius_ = sum.radius_ + 8;
  return quadrant >= 2 ? -sum : sum;
}

Ball atan(const Ball& x) {
  // atan(x) = 2 atan(x / (1 + sqrt(1 + x^2))), until the series is short.
  constexpr int kHalvings = 8;
  const Ball unit(Rational(1));
  Ball t = x;
  for (int i = 0; i < kHalvings; ++i) t = t / (unit + sqrt(unit + t * t));
  const Ball square = t * t;
  Ball power = t;
  Ball sum = t;
  for (std::int64_t n = 3; n < 400 && !power.within(kP - 2); n += 2) {
    power = -(power * square);
    sum = sum + power / Ball(Rational(n));
  }
  sum.radius_ = sum.radius_ + 8;
  return sum * Ball(Rational(1 << kHalvings));
}

ComplexBall operator+(const ComplexBall& a, const ComplexBall& b) {
  return {a.re + b.re, a.im + b.im};
}

ComplexBall operator-(const ComplexBall& a, const ComplexBall& b) {
  return {a.re - b.re, a.im - b.im};
}

ComplexBall operator*(const ComplexBall& a, const ComplexBall& b) {
  if (a.is_real() && b.is_real()) return {a.re * b.re, {}};
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

ComplexBall operator/(const ComplexBall& a, const ComplexBall& b) {
  if (b.is_real()) return {a.re / b.re, a.is_real() ? Ball() : a.im / b.re};
  const Ball norm = b.re * b.re + b.im * b.im;
  const ComplexBall product = a * ComplexBall{b.re, -b.im};
  return {product.re / norm, product.im / norm};
}

ComplexBall sqrt(const ComplexBall& x) {
  if (x.is_real()) {
    if (x.re.sign() >= 0) return {sqrt(x.re), {}};
    return {{}, sqrt(-x.re)};
  }
  if (x.im.sign() == 0) throw Undefined("a root too near to the negative real line");
  const Ball norm = sqrt(x.re * x.re + x.im * x.im);
  const Ball half(Rational(1, 2));
  const Ball re = sqrt((norm + x.re) * half);
  const Ball im = sqrt((norm - x.re) * half);
  return {re, x.im.sign() < 0 ? -im : im};
}

ComplexBall exp(const ComplexBall& x) {
  const Ball length = exp(x.re);
  if (x.is_real()) return {length, {}};
  return {length * cos(x.im), length * sin(x.im)};
}

ComplexBall power(const ComplexBall& base, const Rational& exponent) {
  if (exponent.is_integer()) {
    if (exponent.numerator().bits() > 14) throw LimitExceeded("an exponent is too large");
    std::int64_t n = exponent.numerator().to_int64();
    ComplexBall result{Ball(Rational(1)), {}};
    ComplexBall square = base;
    for (std::int64_t rest = n < 0 ? -n : n; rest != 0; rest /= 2) {
      if (rest % 2 != 0) result = result * square;
      if (rest > 1) square = square * square;
    }
    return n < 0 ? ComplexBall{Ball(Rational(1)), {}} / result : result;
  }
  if (exponent.denominator() == BigInt(2)) return power(sqrt(base), Rational(exponent.numerator()));
  if (base.is_real() && base.re.exact_zero() && !exponent.negative()) return {};
  if (base.is_real() && base.re.sign() > 0) return {exp(log(base.re) * Ball(exponent)), {}};
  throw Undefined("a root of a negative number has no agreed value");
}

}  // namespace urpo::answers
