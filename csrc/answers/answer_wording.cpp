#include "answer_wording.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "characters.hpp"
#include "names.hpp"
#include "notation.hpp"
#include "scan.hpp"
#include "words.hpp"

namespace urpo::answers {
namespace {

constexpr std::size_t kMaxDomain = 60;  // bytes of "for all n in ..."

// The text command at the beginning of `text`: its content and what follows; empty for none.
std::pair<std::string_view, std::string_view> leading_text(std::string_view text) {
  for (const std::string_view open : {"\\text{", "\\textbf{", "\\mathrm{", "\\mbox{"}) {
    if (!begins_with(text, open)) continue;
    const std::size_t length = closing_brace(text.substr(open.size()));
    if (length == std::string_view::npos) continue;
    return {text.substr(open.size(), length), text.substr(open.size() + length + 1)};
  }
  return {};
}

// The length of an announcement in lower case at the beginning of `text`, which a value follows.
std::size_t announcement(std::string_view text) {
  if (text.empty() || !is_letter(text.front())) return 0;
  std::string folded(text.substr(0, 60));
  std::transform(folded.begin(), folded.end(), folded.begin(), lower);
  std::size_t at = 0;
  const auto take = [&](std::string_view word) {
    if (folded.compare(at, word.size(), word) != 0) return false;
    at += word.size();
    return true;
  };
  for (const std::string_view word :
       {"so ", "thus ", "hence ", "therefore ", "so, ", "thus, ", "hence, ", "therefore, "}) {
    if (take(word)) break;
  }
  if (take("exactly ")) return at;
  take("the ");
  for (const std::string_view kind : {"final ", "correct ", "exact ", "required "}) take(kind);
  bool noun = false;
  for (const std::string_view asked :
       {"answer",        "value",         "result",         "maximum value",
        "minimum value", "largest value", "smallest value", "greatest value",
        "least value",   "maximum",       "minimum",        "sum",
        "product",       "area",          "volume",         "perimeter",
        "probability",   "ratio",         "total",          "remainder",
        "length",        "distance"}) {
    noun = noun || take(asked);
  }
  if (!noun) return 0;
  for (const std::string_view link :
       {" is: ", " is:", " is exactly ", " is ", ": ", ":", " = ", "="}) {
    if (take(link)) return at;
  }
  return 0;
}

// "\text{The answer is }5" and "\text{The answer is 5}" as "5" and "\text{5}".
std::string without_announcement(std::string text) {
  const auto [content, rest] = leading_text(text);
  if (!content.empty()) {
    const std::string words = std::string(content) + " ";
    const std::size_t end = announcement(words);
    if (end == 0) return text;
    if (end >= content.size()) return trimmed(rest).empty() ? text : std::string(trimmed(rest));
    return "\\text{" + std::string(content.substr(end)) + "}" + std::string(rest);
  }
  const std::size_t end = announcement(text);
  return end == 0 || end >= text.size() ? text : std::string(trimmed(text).substr(end));
}

// "\text{negative }5" and "minus 5" as "-5".
std::string with_sign(std::string text) {
  auto [content, rest] = leading_text(text);
  if (content.empty()) {
    const std::size_t space = text.find(' ');
    if (space == std::string::npos) return text;
    content = std::string_view(text).substr(0, space);
    rest = std::string_view(text).substr(space);
  }
  const std::string word = folded_words(content);
  const std::string_view value = trimmed(rest);
  const bool sign = word == "negative" || word == "minus";
  return sign && !value.empty() && is_digit(value.front()) ? "-" + std::string(value) : text;
}

// "Rs. 500", "US\$5", "\text{Rs. }500".
std::string with_known_currency(std::string text) {
  const auto [content, rest] = leading_text(text);
  const std::string_view before = content.empty() ? std::string_view(text) : trimmed(content);
  for (const auto& [name, currency] :
       {std::pair("Rs.", "rupee "), std::pair("Rs", "rupee "), std::pair("INR", "rupee "),
        std::pair("US\\$", "\\$"), std::pair("USD", "\\$")}) {
    if (!begins_with(before, name)) continue;
    const std::string_view behind = before.substr(std::string_view(name).size());
    const std::string_view value = trimmed(content.empty() ? behind : rest);
    if (!content.empty() && !trimmed(behind).empty()) continue;
    if (!value.empty() && is_digit(value.front())) return currency + std::string(value);
  }
  return text;
}

// "5^{th}", "5\text{th}", "5th"
std::string without_place_ending(std::string text) {
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  if (digits == 0 || digits == text.size()) return text;
  std::string ending;
  for (std::size_t i = digits; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      const auto command = std::string_view(text).substr(i + 1, 4);
      if (command != "text" && command != "math") return text;
      i += begins_with(std::string_view(text).substr(i), "\\mathrm") ? 6 : 4;
      continue;
    }
    if (c != '^' && c != '{' && c != '}' && !is_space(c)) ending += c;
  }
  const char last = text[digits - 1];
  const bool teen = digits > 1 && text[digits - 2] == '1';
  const std::string_view right = teen          ? "th"
                                 : last == '1' ? "st"
                                 : last == '2' ? "nd"
                                 : last == '3' ? "rd"
                                               : "th";
  return ending == right ? text.substr(0, digits) : text;
}

// "1010\text{ (base 2)}", "1010_{\text{base }2}" as "1010_{2}".
std::string with_base_as_subscript(std::string text) {
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  if (digits == 0 || text.size() - digits > 40 || text.find("base") == std::string::npos)
    return text;
  std::string rest;
  for (std::size_t i = digits; i < text.size(); ++i) {
    if (begins_with(std::string_view(text).substr(i), "\\text")) {
      i += 4;
    } else if (std::string_view("_{}() ").find(text[i]) == std::string_view::npos) {
      rest += text[i];
    }
  }
  if (begins_with(rest, "in")) rest.erase(0, 2);
  if (!begins_with(rest, "base")) return text;
  const std::string base = rest.substr(4);
  const bool number =
      !base.empty() && base.size() < 3 && std::all_of(base.begin(), base.end(), is_digit);
  return number ? text.substr(0, digits) + "_{" + base + "}" : text;
}

// "n + 1\text{ for all }n" without the domain: a formula says that by itself.
std::string without_domain(std::string text) {
  std::size_t begin = text.rfind("\\forall");
  if (begin == std::string::npos) {
    begin = text.rfind("\\text");
    if (begin == std::string::npos) return text;
    const auto [content, rest] = leading_text(std::string_view(text).substr(begin));
    const std::string words = folded_words(content);
    if (!begins_with(words, "for all") && !begins_with(words, "for every")) return text;
  }
  const std::string_view domain = std::string_view(text).substr(begin);
  const bool restricts = domain.size() > kMaxDomain ||
                         domain.find_first_of("0123456789<>,;=") != std::string_view::npos ||
                         domain.find("\\g") != std::string_view::npos ||
                         domain.find("\\l") != std::string_view::npos ||
                         domain.find("\\n") != std::string_view::npos;
  const bool formula = std::any_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(begin),
                                   [](char c) { return c == '='; });
  if (restricts || !formula) return text;
  const std::string_view before = trimmed(std::string_view(text).substr(0, begin));
  return std::string(before.substr(0, before.find_last_not_of(" ,\\;") + 1));
}

bool has_letters(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      const auto [content, rest] = leading_text(text.substr(i));
      if (!content.empty()) {
        i = text.size() - rest.size() - 1;
        continue;
      }
      while (i + 1 < text.size() && is_letter(text[i + 1])) ++i;
    } else if (is_letter(text[i]) || is_high(text[i])) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string without_wording(std::string text) {
  text = without_announcement(std::move(text));
  text = with_sign(without_domain(std::move(text)));
  text = with_known_currency(std::move(text));
  text = with_base_as_subscript(std::move(text));
  return without_place_ending(std::move(text));
}

std::string with_unit_as_text(const std::string& answer, const std::string& gold) {
  std::size_t at = 0;
  while (at < answer.size() && (is_digit(answer[at]) || answer[at] == '.' || answer[at] == ',' ||
                                answer[at] == kGroupComma || answer[at] == '-'))
    ++at;
  const std::size_t letter = at + 1;
  // Without a space it is a factor: "5m".
  if (at == 0 || letter >= answer.size() || !is_space(answer[at])) return answer;
  if (!is_letter(answer[letter]) || !find_unit(answer.substr(letter, 1))) return answer;
  const std::string power = answer.substr(letter + 1);
  const bool known =
      power.empty() || power == "^2" || power == "^3" || power == "^{2}" || power == "^{3}";
  if (!known || has_letters(gold)) return answer;
  return answer.substr(0, at) + "\\text{ " + answer[letter] + "}" + power;
}

}  // namespace urpo::answers
