// Integers of any size up to a limit, for exact arithmetic on final answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace urpo::answers {

// A computation would cost more than an answer is worth. What throws it says nothing about the
// answer: the comparison is then undecided.
struct LimitExceeded : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class BigInt {
 public:
  // No result may be longer: products and powers that would be throw LimitExceeded.
  static constexpr std::size_t kMaxBits = std::size_t{1} << 17;

  BigInt() = default;
  BigInt(std::int64_t value);  // NOLINT: small constants read as numbers
  // `digits` are ASCII decimal digits only.
  static BigInt from_decimal(std::string_view digits);

  bool is_zero() const { return words_.empty(); }
  bool is_one() const { return !negative_ && words_.size() == 1 && words_[0] == 1; }
  bool is_odd() const { return !words_.empty() && (words_[0] & 1) != 0; }
  bool negative() const { return negative_; }
  std::size_t bits() const;
  std::size_t words() const { return words_.size(); }
  bool fits_int64() const { return bits() < 63; }
  std::int64_t to_int64() const;  // of one that fits
  // Distinct for distinct integers.
  std::string key() const;

  BigInt operator-() const;
  BigInt abs() const;
  friend BigInt operator+(const BigInt& a, const BigInt& b);
  friend BigInt operator-(const BigInt& a, const BigInt& b);
  friend BigInt operator*(const BigInt& a, const BigInt& b);
  // Quotient rounded towards zero, and the remainder with the sign of `a`. `b` is not zero.
  friend std::pair<BigInt, BigInt> divide(const BigInt& a, const BigInt& b);
  friend BigInt operator/(const BigInt& a, const BigInt& b) { return divide(a, b).first; }
  friend BigInt operator%(const BigInt& a, const BigInt& b) { return divide(a, b).second; }
  // Of the magnitude; the sign stays.
  BigInt shifted_left(std::size_t bits) const;
  BigInt shifted_right(std::size_t bits) const;

  friend int compare(const BigInt& a, const BigInt& b);
  friend bool operator==(const BigInt& a, const BigInt& b) { return compare(a, b) == 0; }
  friend bool operator!=(const BigInt& a, const BigInt& b) { return compare(a, b) != 0; }
  friend bool operator<(const BigInt& a, const BigInt& b) { return compare(a, b) < 0; }

 private:
  void trim();

  std::vector<std::uint32_t> words_;  // little-endian, without leading zeros
  bool negative_ = false;             // never of zero
};

BigInt gcd(BigInt a, BigInt b);
BigInt power(const BigInt& base, std::uint64_t exponent);
// The largest r with r^n <= value, for value >= 0 and n >= 1.
BigInt integer_root(const BigInt& value, std::uint32_t n);

}  // namespace urpo::answers
