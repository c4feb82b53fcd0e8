#include "bigint.hpp"

#include <algorithm>

namespace urpo::answers {
namespace {

using Words = std::vector<std::uint32_t>;

int compare_words(const Words& a, const Words& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  for (std::size_t i = a.size(); i-- > 0;) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

Words add_words(const Words& a, const Words& b) {
  const Words& longer = a.size() < b.size() ? b : a;
  const Words& shorter = a.size() < b.size() ? a : b;
  Words sum(longer.size() + 1);
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < longer.size(); ++i) {
    carry += longer[i];
    if (i < shorter.size()) carry += shorter[i];
    sum[i] = static_cast<std::uint32_t>(carry);
    carry >>= 32;
  }
  sum.back() = static_cast<std::uint32_t>(carry);
  return sum;
}

// a - b for a >= b.
Words subtract_words(const Words& a, const Words& b) {
  Words difference(a.size());
  std::int64_t borrow = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::int64_t word = static_cast<std::int64_t>(a[i]) - borrow;
    if (i < b.size()) word -= b[i];
    borrow = word < 0 ? 1 : 0;
    difference[i] = static_cast<std::uint32_t>(word);
  }
  return difference;
}

std::uint32_t divide_by_word(Words& words, std::uint32_t divisor) {
  std::uint64_t remainder = 0;
  for (std::size_t i = words.size(); i-- > 0;) {
    const std::uint64_t part = (remainder << 32) | words[i];
    words[i] = static_cast<std::uint32_t>(part / divisor);
    remainder = part % divisor;
  }
  return static_cast<std::uint32_t>(remainder);
}

Words shift_left(const Words& words, unsigned bits) {
  Words shifted(words.size() + 1);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::uint64_t part = static_cast<std::uint64_t>(words[i]) << bits;
    shifted[i] |= static_cast<std::uint32_t>(part);
    shifted[i + 1] = static_cast<std::uint32_t>(part >> 32);
  }
  return shifted;
}

// Knuth, The Art of Computer Programming 2, algorithm 4.3.1 D: `dividend` has one word more than
// needed and becomes the remainder, `divisor` has its top bit set and at least two words.
Words long_division(Words& dividend, const Words& divisor) {
  const std::size_t n = divisor.size();
  Words quotient(dividend.size() - n);
  for (std::size_t j = quotient.size(); j-- > 0;) {
    const std::uint64_t top =
        (static_cast<std::uint64_t>(dividend[j + n]) << 32) | dividend[j + n - 1];
    std::uint64_t guess = top / divisor[n - 1];
    std::uint64_t rest = top % divisor[n - 1];
    while (guess >> 32 != 0 || guess * divisor[n - 2] > ((rest << 32) | dividend[j + n - 2])) {
      --guess;
      rest += divisor[n - 1];
      if (rest >> 32 != 0) break;
    }
    std::uint64_t carry = 0;
    std::int64_t borrow = 0;
    for (std::size_t i = 0; i < n; ++i) {
      carry += guess * divisor[i];
      const std::int64_t word = static_cast<std::int64_t>(dividend[i + j]) - borrow -
                                static_cast<std::int64_t>(carry & 0xffffffffU);
      dividend[i + j] = static_cast<std::uint32_t>(word);
      borrow = word < 0 ? 1 : 0;
      carry >>= 32;
    }
    const std::int64_t word =
        static_cast<std::int64_t>(dividend[j + n]) - borrow - static_cast<std::int64_t>(carry);
    dividend[j + n] = static_cast<std::uint32_t>(word);
    if (word < 0) {
      --guess;
      std::uint64_t back = 0;
      for (std::size_t i = 0; i < n; ++i) {
        back += static_cast<std::uint64_t>(dividend[i + j]) + divisor[i];
        dividend[i + j] = static_cast<std::uint32_t>(back);
        back >>= 32;
      }
      dividend[j + n] += static_cast<std::uint32_t>(back);
    }
    quotient[j] = static_cast<std::uint32_t>(guess);
  }
  return quotient;
}

unsigned leading_zeros(std::uint32_t word) {
  unsigned count = 0;
  while ((word & 0x80000000U) == 0) {
    word <<= 1;
    ++count;
  }
  return count;
}

void check_bits(std::size_t bits) {
  if (bits > BigInt::kMaxBits) throw LimitExceeded("an integer is too long");
}

}  // namespace

BigInt::BigInt(std::int64_t value) : negative_(value < 0) {
  std::uint64_t magnitude = static_cast<std::uint64_t>(value);
  if (negative_) magnitude = ~magnitude + 1;
  for (; magnitude != 0; magnitude >>= 32) words_.push_back(static_cast<std::uint32_t>(magnitude));
}

BigInt BigInt::from_decimal(std::string_view digits) {
  check_bits(digits.size() * 10 / 3);
  BigInt value;
  for (std::size_t i = 0; i < digits.size();) {
    std::uint32_t chunk = 0;
    std::uint32_t scale = 1;
    for (; i < digits.size() && scale < 1000000000U; ++i, scale *= 10) {
      chunk = chunk * 10 + static_cast<std::uint32_t>(digits[i] - '0');
    }
    std::uint64_t carry = chunk;
    for (std::uint32_t& word : value.words_) {
      carry += static_cast<std::uint64_t>(word) * scale;
      word = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) value.words_.push_back(static_cast<std::uint32_t>(carry));
  }
  return value;
}

void BigInt::trim() {
  while (!words_.empty() && words_.back() == 0) words_.pop_back();
  if (words_.empty()) negative_ = false;
}

std::size_t BigInt::bits() const {
  return words_.empty() ? 0 : words_.size() * 32 - leading_zeros(words_.back());
}

std::int64_t BigInt::to_int64() const {
  std::uint64_t magnitude = 0;
  for (std::size_t i = words_.size(); i-- > 0;) magnitude = (magnitude << 32) | words_[i];
  const auto value = static_cast<std::int64_t>(magnitude);
  return negative_ ? -value : value;
}

std::string BigInt::key() const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string key = negative_ ? "-" : "";
  for (std::size_t i = words_.size(); i-- > 0;) {
    for (int shift = 28; shift >= 0; shift -= 4) key += kHex[(words_[i] >> shift) & 15U];
  }
  return key;
}

BigInt BigInt::operator-() const {
  BigInt result = *this;
  result.negative_ = !negative_ && !words_.empty();
  return result;
}

BigInt BigInt::abs() const {
  BigInt result = *this;
  result.negative_ = false;
  return result;
}

BigInt operator+(const BigInt& a, const BigInt& b) {
  BigInt result;
  if (a.negative_ == b.negative_) {
    result.words_ = add_words(a.words_, b.words_);
    result.negative_ = a.negative_;
  } else if (compare_words(a.words_, b.words_) >= 0) {
    result.words_ = subtract_words(a.words_, b.words_);
    result.negative_ = a.negative_;
  } else {
    result.words_ = subtract_words(b.words_, a.words_);
    result.negative_ = b.negative_;
  }
  result.trim();
  return result;
}

BigInt operator-(const BigInt& a, const BigInt& b) { return a + -b; }

BigInt operator*(const BigInt& a, const BigInt& b) {
  if (a.is_zero() || b.is_zero()) return {};
  check_bits(a.bits() + b.bits());
  BigInt result;
  result.words_.resize(a.words_.size() + b.words_.size());
  for (std::size_t i = 0; i < a.words_.size(); ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < b.words_.size(); ++j) {
      carry += static_cast<std::uint64_t>(a.words_[i]) * b.words_[j] + result.words_[i + j];
      result.words_[i + j] = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
    result.words_[i + b.words_.size()] = static_cast<std::uint32_t>(carry);
  }
  result.negative_ = a.negative_ != b.negative_;
  result.trim();
  return result;
}

std::pair<BigInt, BigInt> divide(const BigInt& a, const BigInt& b) {
  if (compare_words(a.words_, b.words_) < 0) return {BigInt(), a};
  BigInt quotient;
  BigInt remainder;
  if (b.words_.size() == 1) {
    quotient.words_ = a.words_;
    remainder.words_ = {divide_by_word(quotient.words_, b.words_[0])};
  } else {
    const unsigned shift = leading_zeros(b.words_.back());
    Words divisor = shift_left(b.words_, shift);
    divisor.pop_back();
    remainder.words_ = shift_left(a.words_, shift);
    quotient.words_ = long_division(remainder.words_, divisor);
    remainder.trim();
    remainder = remainder.shifted_right(shift);
  }
  quotient.negative_ = a.negative_ != b.negative_;
  remainder.negative_ = a.negative_;
  quotient.trim();
  remainder.trim();
  return {quotient, remainder};
}

BigInt BigInt::shifted_left(std::size_t bits) const {
  if (words_.empty()) return {};
  check_bits(this->bits() + bits);
  BigInt result;
  result.words_.assign(bits / 32, 0);
  const Words shifted = shift_left(words_, bits % 32);
  result.words_.insert(result.words_.end(), shifted.begin(), shifted.end());
  result.negative_ = negative_;
  result.trim();
  return result;
}

BigInt BigInt::shifted_right(std::size_t bits) const {
  const std::size_t whole = bits / 32;
  const unsigned part = bits % 32;
  if (whole >= words_.size()) return {};
  BigInt result;
  result.words_.assign(words_.begin() + static_cast<std::ptrdiff_t>(whole), words_.end());
  if (part != 0) {
    for (std::size_t i = 0; i < result.words_.size(); ++i) {
      const std::uint64_t above = i + 1 < result.words_.size() ? result.words_[i + 1] : 0;
      result.words_[i] = static_cast<std::uint32_t>(((above << 32) | result.words_[i]) >> part);
    }
  }
  result.negative_ = negative_;
  result.trim();
  return result;
}

int compare(const BigInt& a, const BigInt& b) {
  if (a.negative_ != b.negative_) return a.negative_ ? -1 : 1;
  const int order = compare_words(a.words_, b.words_);
  return a.negative_ ? -order : order;
}

BigInt gcd(BigInt a, BigInt b) {
  a = a.abs();
  b = b.abs();
  while (!b.is_zero() && !(a.fits_int64() && b.fits_int64())) {
    BigInt rest = a % b;
    a = std::move(b);
    b = std::move(rest);
  }
  if (b.is_zero()) return a;
  std::int64_t x = a.to_int64();
  std::int64_t y = b.to_int64();
  while (y != 0) {
    const std::int64_t rest = x % y;
    x = y;
    y = rest;
  }
  return {x};
}

BigInt power(const BigInt& base, std::uint64_t exponent) {
  BigInt result = 1;
  BigInt square = base;
  while (exponent != 0) {
    if ((exponent & 1) != 0) result = result * square;
    exponent >>= 1;
    if (exponent != 0) square = square * square;
  }
  return result;
}

BigInt integer_root(const BigInt& value, std::uint32_t n) {
  if (value.is_zero() || n == 1) return value;
  // Newton's iteration falls monotonically from anything above the root.
  BigInt root = BigInt(1).shifted_left(value.bits() / n + 1);
  while (true) {
    const BigInt next =
        (root * BigInt(n - 1) + value / power(root, n - 1)) / BigInt(static_cast<std::int64_t>(n));
    if (!(next < root)) return root;
    root = next;
  }
}

}  // namespace urpo::answers
