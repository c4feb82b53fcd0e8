#include "repeating_decimals.hpp"

#include <cstdint>

#include "bigint.hpp"
#include "characters.hpp"

namespace urpo::answers {

std::size_t end_of_ellipsis(std::string_view text, std::size_t at) {
  for (const std::string_view dots : {"...", "\\ldots", "\\dots", "\\cdots"}) {
    const std::size_t end = at + dots.size();
    if (text.compare(at, dots.size(), dots) == 0 && (end == text.size() || !is_letter(text[end])))
      return end;
  }
  return at;
}

std::string_view shown_period(std::string_view number, int decimals) {
  constexpr std::size_t kLongest = 100;
  const std::string_view digits = number.substr(number.size() - static_cast<std::size_t>(decimals));
  std::string_view period;
  // "0.011101110111..." ends with three ones as well: the period that explains most digits.
  std::size_t most = 0;
  for (std::size_t length = 1; 3 * length <= digits.size() && length <= kLongest; ++length) {
    std::size_t explained = length;
    while (explained < digits.size() &&
           digits[digits.size() - explained - 1] == digits[digits.size() - explained - 1 + length])
      ++explained;
    if (explained < 3 * length || explained <= most) continue;
    most = explained;
    period = digits.substr(digits.size() - length);
  }
  return period;
}

Rational repeated_behind(std::string_view block, int decimals) {
  const BigInt scale = power(BigInt(10), static_cast<std::uint64_t>(decimals));
  const BigInt period = power(BigInt(10), block.size()) - 1;
  return Rational(BigInt::from_decimal(block), scale * period);
}

}  // namespace urpo::answers
