#include "units.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "characters.hpp"
#include "names.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

// Without what closes a formula or opens a text command: "$ ", "\) ", "}\,", "\text{".
std::string_view without_dressing(std::string_view text) {
  for (std::size_t before = text.size() + 1; before != text.size();) {
    before = text.size();
    text = trimmed(text);
    for (const std::string_view mark :
         {"$", "\\)", "\\]", "**", "__", "\\,", "\\;", "\\:", "\\ ", "~", "\\text{", "\\mathrm{",
          "\\mbox{", "\\textrm{", "\\rm", "`"}) {
      if (text.substr(0, mark.size()) == mark) text.remove_prefix(mark.size());
    }
  }
  return text;
}

std::string_view leading_word(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && is_letter(text[end])) ++end;
  return text.substr(0, end);
}

// A short word that is a unit only where nothing follows it: "in", "m", "h".
bool may_be_a_word(std::string_view word) {
  return word == "in" || word == "mi" || word.size() == 1;
}

bool is_unit(std::string_view word, std::string_view after) {
  if (word.empty() || !find_unit(word)) return false;
  if (!may_be_a_word(word)) return true;
  after = trimmed(after);
  if (word == "in" || word == "mi") return after.empty() || !is_letter(after.front());
  return after.empty() || (!is_letter(after.front()) && !is_digit(after.front()));
}

// "^2", "^{2}", "\u00b2" and the same of 3.
std::size_t power_length(std::string_view text, char& power) {
  for (const char digit : {'2', '3'}) {
    const std::array<std::string, 4> forms = {
        std::string("^") + digit, std::string("^{") + digit + "}",
        digit == '2' ? "\u00b2" : "\u00b3", std::string("}^") + digit};
    for (const std::string& form : forms) {
      if (text.substr(0, form.size()) != form) continue;
      power = digit;
      return form.size();
    }
  }
  return 0;
}

}  // namespace

std::string leading_unit(std::string_view text) {
  text = without_dressing(text.substr(0, kMaxUnit));
  if (text.empty()) return {};
  if (text.front() == '%' || starts_with(text, "\\%") || starts_with_word(text, "percent"))
    return "%";
  if (starts_with(text, "\u00b0") || starts_with(text, "^\\circ") || starts_with(text, "^{\\circ}"))
    return "degrees";
  if (starts_with(text, "\u20ac")) return "euros";
  if (starts_with(text, "\u00a3")) return "pounds";
  // "6 out of 10" is 6 of no unit.
  if (starts_with(text, "out of ") && text.size() > 7 && is_digit(text[7]))
    return std::string(kOutOf);
  std::string unit;
  std::string_view word = leading_word(text);
  for (const std::string_view shape : {"square", "cubic", "sq", "cu"}) {
    if (word != shape) continue;
    unit = std::string(shape) + " ";
    text = trimmed(text.substr(word.size()));
    if (unit.size() == 3 && !text.empty() && text.front() == '.') text = trimmed(text.substr(1));
    word = leading_word(text);
    break;
  }
  std::string_view after = text.substr(word.size());
  if (!is_unit(word, after)) return {};
  unit += word;
  char power = 0;
  if (const std::size_t length = power_length(after, power); length != 0) {
    unit += std::string("^") + power;
    after = after.substr(length);
  }
  const std::string_view rest = trimmed(after);
  const std::size_t per = starts_with_word(rest, "per") ? 3 : starts_with(rest, "/") ? 1 : 0;
  if (per == 0) return unit;
  const std::string_view divisor = trimmed(rest.substr(per));
  word = leading_word(divisor);
  // "miles per gallon of fuel", but "cents per apple" is no unit that is known.
  if (word.empty() || !find_unit(word)) return {};
  unit += std::string(per == 3 ? " per " : "/") + std::string(word);
  if (power_length(divisor.substr(word.size()), power) != 0) unit += std::string("^") + power;
  return unit;
}

std::string with_unit_inside(std::string_view gold) {
  gold = trimmed(gold);
  for (const auto& [open, close] : {std::pair("$", "$"), std::pair("\\(", "\\)")}) {
    const std::string_view mark = open;
    if (!starts_with(gold, mark)) continue;
    const std::size_t end = gold.find(close, mark.size());
    if (end == std::string_view::npos || end == mark.size()) continue;
    const std::string_view behind = gold.substr(end + mark.size());
    const std::string unit = leading_unit(behind);
    const auto names = [](std::string_view text) {
      std::string out;
      for (const char c : text) {
        if (!is_space(c) && c != '.' && c != '{' && c != '}') out += c;
      }
      return out;
    };
    // All that follows has to be the unit.
    if (unit.empty() || !is_letter(unit.front()) || names(behind) != names(unit)) continue;
    return std::string(gold.substr(mark.size(), end - mark.size())) + "\\text{ " + unit + "}";
  }
  return std::string(gold);
}

bool has_unit(std::string_view answer) {
  for (const std::string_view sign : {"\\$", "\\%", "%", "\\circ", "\\degree", "\u00b0"}) {
    if (answer.find(sign) != std::string_view::npos) return true;
  }
  // A lone letter is a variable, unless it is set as text.
  const bool text = answer.find("\\text") != std::string_view::npos ||
                    answer.find("\\m") != std::string_view::npos;
  if (std::none_of(answer.begin(), answer.end(), is_digit)) return false;
  for (std::size_t i = 0; i < answer.size(); ++i) {
    if (answer[i] == '\\') {
      while (i + 1 < answer.size() && is_letter(answer[i + 1])) ++i;
      continue;
    }
    const std::string_view word = leading_word(answer.substr(i));
    if (word.empty()) continue;
    if ((word.size() > 1 || text) && find_unit(word)) return true;
    i += word.size() - 1;
  }
  return false;
}

}  // namespace urpo::answers
