#include "extraction.hpp"

#include <cmath>
#include <locale>
#include <sstream>
#include <string>

#include "answers/notation.hpp"

namespace urpo {
namespace {

constexpr std::string_view kSpace = " \t\n\v\f\r";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What follows the last `keyword` that only white space separates from `bracket`.
std::optional<std::string_view> after_last(std::string_view text, std::string_view keyword,
                                           char bracket) {
  for (std::size_t at = text.rfind(keyword); at != std::string_view::npos;
       at = at == 0 ? std::string_view::npos : text.rfind(keyword, at - 1)) {
    const std::size_t open = text.find_first_not_of(kSpace, at + keyword.size());
    if (open != std::string_view::npos && text[open] == bracket) return text.substr(open + 1);
  }
  return std::nullopt;
}

// `text` up to the brace that closes the one before it.
std::optional<std::string_view> until_closed(std::string_view text) {
  const std::size_t length = answers::closing_brace(text);
  return length == std::string_view::npos ? std::nullopt : std::optional(text.substr(0, length));
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// [+-] digits [. digits] [e [+-] digits], with at least one digit before the exponent and in it.
bool is_decimal(std::string_view text) {
  std::size_t i = 0;
  const auto skip_sign = [&] { i += i < text.size() && (text[i] == '+' || text[i] == '-'); };
  const auto skip_digits = [&] {
    const std::size_t begin = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i - begin;
  };
  skip_sign();
  std::size_t digits = skip_digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    digits += skip_digits();
  }
  if (digits == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    skip_sign();
    if (skip_digits() == 0) return false;
  }
  return i == text.size();
}

// A stream in the classic locale: strtod would obey the process's decimal comma, and from_chars for
// double is missing from compilers that are otherwise complete in C++17.
std::optional<double> to_finite_double(std::string_view decimal) {
  std::istringstream stream{std::string(decimal)};
  stream.imbue(std::locale::classic());
  double value = 0.0;
  stream >> value;
  if (stream.fail() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<std::string_view> score_list(std::string_view text) {
  if (const auto box = after_last(text, "\\boxed", '{')) return until_closed(*box);
  const auto list = after_last(text, "Scores:", '[');
  if (!list) return std::nullopt;
  const std::size_t close = list->find(']');
  if (close == std::string_view::npos) return std::nullopt;
  return list->substr(0, close);
}

}  // namespace

std::optional<std::vector<double>> parse_scores(std::string_view text, std::size_t count) {
  const auto list = score_list(text);
  if (!list) return std::nullopt;
  std::string_view rest = *list;
  std::vector<double> scores;
  while (scores.size() < count) {
    const std::size_t comma = rest.find(',');
    const bool last = comma == std::string_view::npos;
    if (last != (scores.size() + 1 == count)) return std::nullopt;
    const std::string_view number = trimmed(rest.substr(0, comma));
    if (!is_decimal(number)) return std::nullopt;
    const auto value = to_finite_double(number);
    if (!value) return std::nullopt;
    scores.push_back(*value);
    if (!last) rest.remove_prefix(comma + 1);
  }
  return scores;
}

}  // namespace urpo
