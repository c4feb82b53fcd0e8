#include "spellings.hpp"

#include <algorithm>
#include <string_view>

#include "characters.hpp"
#include "notation.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

constexpr std::size_t kMaxArgument = 40;  // bytes

std::size_t after_spaces(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

std::size_t after_digits(std::string_view text, std::size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

// Commands with an argument that sets type.
void drop_command(std::string& text, std::string_view command) {
  for (std::size_t at = text.find(command); at != std::string::npos; at = text.find(command, at)) {
    const std::size_t open = after_spaces(text, at + command.size());
    const std::size_t close = text.find('}', open);
    if (open >= text.size() || text[open] != '{' || close == std::string::npos ||
        close - open > kMaxArgument)
      return;
    text.replace(at, close + 1 - at, " ");
  }
}

// "\text{, }" as ", ".
void unwrap_punctuation(std::string& text) {
  constexpr std::string_view kText = "\\text{";
  for (std::size_t at = text.find(kText); at != std::string::npos; at = text.find(kText, at + 1)) {
    const std::size_t close = text.find('}', at);
    if (close == std::string::npos) return;
    const std::string content = text.substr(at + kText.size(), close - at - kText.size());
    const std::string_view sign = trimmed(content);
    if (sign == "," || sign == ";") text.replace(at, close + 1 - at, content);
  }
}

// The digit under the dot or bar at `at`, "\dot 3" or "\dot{3}"; `end` is behind it.
char marked_digit(std::string_view text, std::size_t at, std::string_view mark, std::size_t& end) {
  if (!begins_with(text, at, mark)) return 0;
  end = after_spaces(text, at + mark.size());
  const bool braced = end < text.size() && text[end] == '{';
  if (braced) ++end;
  if (end >= text.size() || !is_digit(text[end])) return 0;
  const char digit = text[end++];
  if (braced && (end >= text.size() || text[end++] != '}')) return 0;
  return digit;
}

// "0.\bar 3" with braces; "0.1\dot{2}3\dot{4}" repeats from the first dot to the last.
void mark_periods(std::string& text) {
  for (const std::string_view mark : {"\\dot", "\\bar", "\\overline"}) {
    std::size_t end = 0;
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
      if (at == 0 || (text[at - 1] != '.' && !is_digit(text[at - 1]))) continue;
      const char first = marked_digit(text, at, mark, end);
      if (first == 0) continue;
      std::string period(1, first);
      const std::size_t between = end;
      std::size_t second = after_digits(text, between);
      std::size_t last = 0;
      if (const char digit = marked_digit(text, second, mark, last); digit != 0) {
        if (mark != "\\dot") continue;
        period += text.substr(between, second - between) + digit;
        end = last;
      }
      text.replace(at, end - at, "\\overline{" + period + "}");
    }
  }
}

// "4210_{(5)}"
void unwrap_bases(std::string& text) {
  for (std::size_t at = text.find("_{("); at != std::string::npos; at = text.find("_{(", at + 1)) {
    const std::size_t end = after_digits(text, at + 3);
    if (end > at + 3 && begins_with(text, end, ")}"))
      text.replace(at, end + 2 - at, "_{" + text.substr(at + 3, end - at - 3) + "}");
  }
}

// "90^{\text{o}}", "90^{o}", "90^o"
void write_degrees(std::string& text) {
  for (const std::string_view degree :
       {"^{\\text{o}}", "^{\\mathrm{o}}", "^\\text{o}", "^{o}", "^o"}) {
    for (std::size_t at = text.find(degree); at != std::string::npos;
         at = text.find(degree, at + 1)) {
      const std::size_t end = at + degree.size();
      const bool ends = end >= text.size() || !is_letter(text[end]);
      if (at > 0 && is_digit(text[at - 1]) && ends) text.replace(at, degree.size(), "^{\\circ}");
    }
  }
}

// "3\text{ to }4" and "1\text{ out of }3", where that is all.
void write_ratio(std::string& text) {
  const std::size_t end = after_digits(text, 0);
  const std::size_t word = after_spaces(text, end);
  if (end == 0 || !begins_with(text, word, "\\text{")) return;
  const std::size_t close = text.find('}', word);
  if (close == std::string::npos) return;
  const std::string_view joint = trimmed(std::string_view(text).substr(word + 6, close - word - 6));
  const std::size_t second = after_spaces(text, close + 1);
  const bool numbers = second < text.size() && after_digits(text, second) == text.size();
  if (!numbers) return;
  const std::string first = text.substr(0, end);
  if (joint == "to") text = first + ":" + text.substr(second);
  if (joint == "out of" || joint == "in")
    text = "\\frac{" + first + "}{" + text.substr(second) + "}";
}

// Digits at `at`, in braces or a single one; empty for anything else. `at` moves behind them.
std::string index_at(std::string_view text, std::size_t& at) {
  const bool braced = at < text.size() && text[at] == '{';
  const std::size_t begin = at + (braced ? 1 : 0);
  std::size_t end = after_digits(text, begin);
  if (!braced) end = std::min(end, begin + 1);
  if (end == begin || (braced && (end >= text.size() || text[end] != '}'))) return {};
  at = end + (braced ? 1 : 0);
  return std::string(text.substr(begin, end - begin));
}

bool at_most(const std::string& a, const std::string& b) {
  return a.size() < b.size() || (a.size() == b.size() && a <= b);
}

// The binomial that begins at `at`; empty for none. `end` is behind it.
std::string binomial_at(std::string_view text, std::size_t at, bool with_parentheses,
                        std::size_t& end) {
  std::string n;
  std::string k;
  end = at;
  if (begins_with(text, at, "{}_") || begins_with(text, at, "^")) {
    end += text[at] == '^' ? 1 : 3;
    n = index_at(text, end);
    if (n.empty() || !begins_with(text, end, "C_")) return {};
    end += 2;
    k = index_at(text, end);
  } else if (begins_with(text, at, "C_")) {
    end += 2;
    n = index_at(text, end);
    if (n.empty() || !begins_with(text, end, "^")) return {};
    ++end;
    k = index_at(text, end);
  } else if (with_parentheses && begins_with(text, at, "C(")) {
    const std::size_t comma = after_digits(text, at + 2);
    const std::size_t second = after_spaces(text, comma + 1);
    end = after_digits(text, second);
    if (!begins_with(text, comma, ",") || !begins_with(text, end, ")")) return {};
    n = std::string(text.substr(at + 2, comma - at - 2));
    k = std::string(text.substr(second, end - second));
    ++end;
  }
  return n.empty() || k.empty() || !at_most(k, n) ? std::string() : "\\binom{" + n + "}{" + k + "}";
}

}  // namespace

std::string with_usual_spellings(std::string text) {
  drop_command(text, "\\tag");
  drop_command(text, "\\hspace");
  unwrap_punctuation(text);
  mark_periods(text);
  unwrap_bases(text);
  write_degrees(text);
  write_ratio(text);
  for (std::size_t at = text.find("{:}"); at != std::string::npos; at = text.find("{:}", at))
    text.replace(at, 3, ":");
  return std::string(trimmed(text));
}

std::string with_binomials(std::string text, const std::string& other) {
  if (text.find('C') == std::string::npos) return text;
  for (const std::string_view set : {"\\mathrm{C}", "\\text{C}"}) {
    const std::size_t at = text.find(set);
    if (at != std::string::npos) text.replace(at, set.size(), "C");
  }
  const bool with_parentheses = other.find(',') == std::string::npos;
  for (std::size_t at = 0; at < text.size(); ++at) {
    // Behind a letter it is part of a name, behind a number a power.
    const bool begins = at == 0 || (!is_letter(text[at - 1]) && text[at - 1] != '\\');
    if (!begins || (text[at] == '^' && at > 0)) continue;
    std::size_t end = 0;
    const std::string binomial = binomial_at(text, at, with_parentheses, end);
    if (!binomial.empty()) text.replace(at, end - at, binomial);
  }
  return text;
}

}  // namespace urpo::answers
