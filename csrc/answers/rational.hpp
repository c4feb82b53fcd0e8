// Fractions of integers in lowest terms, the denominator positive.
#pragma once

#include <string>
#include <utility>

#include "bigint.hpp"

namespace urpo::answers {

class Rational {
 public:
  Rational() : denominator_(1) {}
  Rational(std::int64_t value) : numerator_(value), denominator_(1) {}  // NOLINT: reads as a number
  explicit Rational(BigInt value) : numerator_(std::move(value)), denominator_(1) {}
  // `denominator` is not zero.
  Rational(BigInt numerator, BigInt denominator)
      : numerator_(std::move(numerator)), denominator_(std::move(denominator)) {
    if (denominator_.negative()) {
      numerator_ = -numerator_;
      denominator_ = -denominator_;
    }
    if (denominator_.is_one()) return;
    const BigInt common = gcd(numerator_, denominator_);
    if (common.is_one()) return;
    numerator_ = numerator_ / common;
    denominator_ = denominator_ / common;
  }

  const BigInt& numerator() const { return numerator_; }
  const BigInt& denominator() const { return denominator_; }
  bool is_zero() const { return numerator_.is_zero(); }
  bool is_one() const { return numerator_.is_one() && denominator_.is_one(); }
  bool is_integer() const { return denominator_.is_one(); }
  bool negative() const { return numerator_.negative(); }
  std::size_t bits() const { return numerator_.bits() + denominator_.bits(); }
  std::string key() const { return numerator_.key() + "/" + denominator_.key(); }

  Rational operator-() const {
    Rational result = *this;
    result.numerator_ = -numerator_;
    return result;
  }
  Rational inverse() const { return {denominator_, numerator_}; }  // of one that is not zero

  friend Rational operator+(const Rational& a, const Rational& b) {
    if (a.is_integer() && b.is_integer()) return Rational(a.numerator_ + b.numerator_);
    return {a.numerator_ * b.denominator_ + b.numerator_ * a.denominator_,
            a.denominator_ * b.denominator_};
  }
  friend Rational operator-(const Rational& a, const Rational& b) { return a + -b; }
  friend Rational operator*(const Rational& a, const Rational& b) {
    return {a.numerator_ * b.numerator_, a.denominator_ * b.denominator_};
  }
  friend Rational operator/(const Rational& a, const Rational& b) { return a * b.inverse(); }
  friend int compare(const Rational& a, const Rational& b) {
    return compare(a.numerator_ * b.denominator_, b.numerator_ * a.denominator_);
  }
  friend bool operator==(const Rational& a, const Rational& b) {
    return a.numerator_ == b.numerator_ && a.denominator_ == b.denominator_;
  }
  friend bool operator!=(const Rational& a, const Rational& b) { return !(a == b); }
  friend bool operator<(const Rational& a, const Rational& b) { return compare(a, b) < 0; }

 private:
  BigInt numerator_;
  BigInt denominator_;
};

}  // namespace urpo::answers
