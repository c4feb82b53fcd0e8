#include "value_names.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "characters.hpp"
#include "names.hpp"
#include "notation.hpp"
#include "scan.hpp"
#include "value_words.hpp"
#include "words.hpp"

namespace urpo::answers {
namespace {

constexpr std::size_t kMaxName = 200;  // bytes

struct NamedText {
  std::string name;  // without spaces, brackets and type: "gcd24,36"
  std::string value;
};

// The letters of a command, a command with a name in braces, or a plain name at the beginning:
// "gcd" of "\gcd(24,36)", "Var" of "\text{Var}(X)", "lcm" of "lcm(3,4)". `end` is behind it.
std::string leading_name(std::string_view text, std::size_t& end) {
  end = begins_with(text, "\\") ? 1 : 0;
  if (begins_with(text, "\\#")) {
    end = 2;
    return "#";
  }
  const std::size_t begin = end;
  while (end < text.size() && is_letter(text[end])) ++end;
  std::string name(text.substr(begin, end - begin));
  const bool sets_name = begin == 1 && (is_text_command(name) || name == "mathbb");
  if (!sets_name || end >= text.size() || text[end] != '{') return name;
  const std::size_t length = closing_brace(text.substr(end + 1));
  if (length == std::string_view::npos) return {};
  name = std::string(text.substr(end + 1, length));
  end += length + 2;
  return std::all_of(name.begin(), name.end(), is_letter) ? name : std::string();
}

// Whether what follows a name is all that it applies to: no sum, product or relation around it.
bool is_one_term(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      std::size_t end = i + 1;
      while (end < text.size() && is_letter(text[end])) ++end;
      const std::string_view command = text.substr(i + 1, end - i - 1);
      static constexpr std::string_view kJoints[] = {"cdot", "times", "div",    "pm",  "mp",
                                                     "le",   "leq",   "ge",     "geq", "ne",
                                                     "neq",  "equiv", "approx", "in"};
      const bool joint =
          std::find(std::begin(kJoints), std::end(kJoints), command) != std::end(kJoints);
      if (joint && depth == 0) return false;
      i = std::max(end, i + 2) - 1;
    } else if (c == '(' || c == '[' || c == '{') {
      ++depth;
    } else if (c == ')' || c == ']' || c == '}') {
      --depth;
    } else if (depth == 0 && std::string_view("+-*/<>!~,;:").find(c) != std::string_view::npos) {
      return false;
    }
  }
  return depth == 0;
}

// A function of an unknown says something about it: "\ln x = 5". Those named here are asked for.
bool is_value_name(const std::string& name, std::string_view argument, bool is_command) {
  static constexpr std::string_view kCommands[] = {
      "gcd", "lcm",  "max", "min", "sup",    "inf",    "det",   "deg", "dim",          "lim",
      "sum", "prod", "int", "Pr",  "limsup", "liminf", "angle", "#",   "measuredangle"};
  const auto known =
      std::find(std::begin(kCommands), std::end(kCommands), name) != std::end(kCommands);
  if (name == "lfloor" || name == "lceil") {
    const std::string end = name == "lfloor" ? "\\rfloor" : "\\rceil";
    const bool closed =
        argument.size() > end.size() && argument.find(end) == argument.size() - end.size();
    return closed &&
           std::any_of(argument.begin(), argument.end() - static_cast<std::ptrdiff_t>(end.size()),
                       is_letter);
  }
  const bool applied = !argument.empty() && (argument.front() == '(' || argument.front() == '[');
  if (known) return !argument.empty() && (is_command || applied);
  if (changes_value(lower_case(name))) return false;
  // "f(x) = ..." is a function, "\mathbb{E}[X]" a value.
  return applied && !is_function_name(name) && (is_command || name.size() > 2);
}

// Where the value of "name = value" begins: behind the first equals sign outside of brackets.
std::size_t equals_sign(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') ++i;
    depth += c == '(' || c == '[' || c == '{' ? 1 : c == ')' || c == ']' || c == '}' ? -1 : 0;
    if (c == '=' && depth == 0) return i;
  }
  return std::string_view::npos;
}

std::optional<NamedText> read_named(const std::string& text) {
  const std::size_t equals = equals_sign(text);
  if (equals == std::string::npos || equals == 0 || equals > kMaxName) return std::nullopt;
  const std::string left = squeezed(std::string_view(text).substr(0, equals));
  std::string value(trimmed(std::string_view(text).substr(equals + 1)));
  std::size_t end = 0;
  const std::string name = leading_name(left, end);
  if (name.empty() || value.empty()) return std::nullopt;
  const std::string_view argument = trimmed(std::string_view(left).substr(end));
  const bool named = is_value_name(name, argument, left.front() == '\\') && is_one_term(argument);
  if (!named) return std::nullopt;
  std::string plain = name;
  for (const char c : argument) {
    if (!is_space(c) && std::string_view("(){}[]").find(c) == std::string_view::npos) plain += c;
  }
  return NamedText{plain, std::move(value)};
}

// The value of "gcd24,36" and the like; nothing where it is not of integers that are written down.
std::optional<std::int64_t> calculated(const std::string& name) {
  const std::string operation = name.substr(0, 3);
  std::vector<std::int64_t> numbers;
  for (std::size_t at = 3; at < name.size();) {
    const std::size_t comma = std::min(name.find(',', at), name.size());
    const auto number = plain_integer(std::string_view(name).substr(at, comma - at));
    if (!number || number->size() > 9) return std::nullopt;
    numbers.push_back(std::stoll(*number));
    at = comma + 1;
  }
  if (numbers.empty()) return std::nullopt;
  if (operation == "max") return *std::max_element(numbers.begin(), numbers.end());
  if (operation == "min") return *std::min_element(numbers.begin(), numbers.end());
  if (operation != "gcd" && operation != "lcm") return std::nullopt;
  std::int64_t value = numbers.front();
  for (const std::int64_t number : numbers) {
    // A product of two of nine digits fits.
    if (value > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
    value = operation == "gcd" ? std::gcd(value, number) : std::lcm(value, number);
  }
  return value;
}

}  // namespace

bool leave_named_values(std::string& answer, std::string& gold) {
  const auto given = read_named(answer);
  const auto wanted = read_named(gold);
  if (given) {
    const auto value = calculated(given->name);
    const auto said = plain_integer(given->value);
    if (value && (!said || *said != std::to_string(*value))) return false;
  }
  if (given && wanted && given->name != wanted->name) return false;
  // "x = 12" may be about another value than "\max f = 12".
  if (given && !wanted && equals_sign(gold) != std::string::npos) return true;
  if (given) answer = given->value;
  if (wanted) gold = wanted->value;
  return true;
}

}  // namespace urpo::answers
