#include "family.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "bound_names.hpp"
#include "characters.hpp"
#include "notation.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

using Words = std::vector<std::string>;

constexpr std::size_t kMaxCondition = 100;  // bytes

bool is_closed(std::string_view text) {
  return is_balanced(text) &&
         std::count(text.begin(), text.end(), '(') == std::count(text.begin(), text.end(), ')');
}

// What a command says in a condition; null where it says something else.
const char* meaning_in_condition(std::string_view command) {
  static constexpr std::array<std::pair<std::string_view, const char*>, 20> kMeanings = {
      {{"in", " \\in "}, {"forall", " for all "},
       {"ge", ">="},     {"geq", ">="},
       {"Z", "Z"},       {"N", "N"},
       {"R", "R"},       {"text", " "},
       {"textrm", " "},  {"textbf", " "},
       {"mbox", " "},    {"mathrm", " "},
       {"mathbb", " "},  {"mathbf", " "},
       {"mathcal", " "}, {"Bbb", " "},
       {"quad", " "},    {"qquad", " "},
       {"left", " "},    {"right", " "}}};
  for (const auto& [name, meaning] : kMeanings) {
    if (name == command) return meaning;
  }
  return nullptr;
}

Words split(std::string_view text) {
  Words words(1);
  for (const char c : text) {
    if (c != ' ') {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

// "where", "k", "\in", "Z^+", without brackets; empty for what no condition contains.
Words words_of(std::string_view condition) {
  std::string plain;
  for (std::size_t i = 0; i < condition.size(); ++i) {
    const char c = condition[i];
    if (c == '\\') {
      std::size_t end = i + 1;
      while (end < condition.size() && is_letter(condition[end])) ++end;
      const char* meaning = meaning_in_condition(condition.substr(i + 1, end - i - 1));
      if (meaning == nullptr) return {};
      plain += meaning;
      i = end - 1;
    } else if (begins_with(condition.substr(i), "\u2124")) {
      plain += 'Z';
      i += 2;
    } else if (c == '^' || c == '_') {
      plain.erase(plain.find_last_not_of(' ') + 1);
      plain += c;
    } else if (std::string_view("}()[],;.").find(c) != std::string_view::npos || is_space(c)) {
      plain += plain.empty() || plain.back() == '=' ? "" : " ";
    } else if (c != '{') {
      plain += c;
    }
  }
  return split(plain);
}

// The numbers that a word or two name; empty for other words.
std::string domain_of(const std::string& kind, const std::string& noun) {
  if (noun == "integer" || noun == "integers") {
    if (kind.empty()) return "Z";
    if (kind == "positive") return "Z^+";
    if (kind == "nonnegative" || kind == "non-negative") return "Z_>=0";
    return {};
  }
  const bool number = noun == "number" || noun == "numbers";
  if (number && kind == "natural") return "N";
  if (number && kind == "real") return "R";
  return {};
}

// The letter and the domain of "where k is a positive integer", "for all integers k",
// "k \in \mathbb{Z}".
std::optional<std::pair<char, std::string>> read_condition(std::string_view text) {
  Words words = words_of(text);
  std::size_t at = 0;
  const auto peek = [&](std::size_t ahead = 0) {
    return at + ahead < words.size() ? words[at + ahead] : std::string();
  };
  const auto take = [&](std::initializer_list<std::string_view> any_of) {
    const std::string word = peek();
    const bool found = std::find(any_of.begin(), any_of.end(), word) != any_of.end();
    at += found ? 1 : 0;
    return found;
  };
  // A noun with what kind of it: "positive integers".
  const auto numbers = [&]() -> std::string {
    for (const std::size_t kinds : {0, 1}) {
      const std::string domain = domain_of(kinds == 0 ? "" : peek(), peek(kinds));
      if (domain.empty()) continue;
      at += kinds + 1;
      return domain;
    }
    return {};
  };
  const auto letter = [&]() -> char {
    const std::string word = peek();
    if (word.size() != 1 || !is_letter(word[0])) return 0;
    ++at;
    return word[0];
  };
  take({"for", "where", "with"});
  take({"all", "any", "every", "each", "some", "an"});
  std::string domain = numbers();
  const bool first = !domain.empty();
  const char name = letter();
  if (name == 0) return std::nullopt;
  if (!first && take({"\\in"})) {
    domain = peek();
    ++at;
    const bool known = domain.size() <= 5 && std::string_view("ZNR").find(domain[0]) < 3;
    if (!known) return std::nullopt;
  } else if (!first) {
    take({"is", "being"});
    take({"a", "an", "any"});
    domain = numbers();
  }
  if (domain.empty() || at != words.size()) return std::nullopt;
  return std::pair(name, domain);
}

// Whether a condition may begin at `at`.
bool may_begin_condition(std::string_view text, std::size_t at) {
  const std::string_view rest = text.substr(at);
  if (rest[0] == ',' || rest[0] == ';' || rest[0] == '(') return true;
  for (const std::string_view opening : {"\\quad", "\\qquad", "\\text", "\\mbox", "\\forall",
                                         "\\left(", " for ", " where ", " with "}) {
    if (begins_with(rest, opening)) return true;
  }
  return false;
}

// "\{x | x = k\pi, k \in \mathbb{Z}\}" as "x = k\pi, k \in \mathbb{Z}".
std::string without_braces(std::string_view text) {
  std::string_view set = text;
  if (begins_with(set, "\\left")) set = trimmed(set.substr(5));
  if (!begins_with(set, "\\{") || set.size() < 4 || set.substr(set.size() - 2) != "\\}")
    return std::string(text);
  std::string inside(trimmed(set.substr(2, set.size() - 4)));
  constexpr std::string_view kRight = "\\right";
  if (inside.size() > kRight.size() && inside.substr(inside.size() - kRight.size()) == kRight)
    inside.resize(inside.size() - kRight.size());
  for (const std::string_view bar : {"\\mid", "|", ":"}) {
    const std::size_t at = inside.find(bar);
    if (at == std::string::npos) continue;
    const std::string element(trimmed(std::string_view(inside).substr(0, at)));
    const std::string rest = inside.substr(at + bar.size());
    return element.size() == 1 ? std::string(trimmed(rest)) : element + ", " + rest;
  }
  return std::string(text);
}

}  // namespace

std::optional<Family> read_family(std::string_view normalized_text) {
  const std::string text = without_braces(normalized_text);
  const std::size_t begin = text.size() > kMaxCondition ? text.size() - kMaxCondition : 0;
  for (std::size_t at = begin + 1; at < text.size(); ++at) {
    if (!may_begin_condition(text, at)) continue;
    const std::string_view head = std::string_view(text).substr(0, at);
    const std::string_view tail = std::string_view(text).substr(at);
    if (!is_closed(tail) || !is_closed(head)) continue;
    const auto condition = read_condition(tail);
    if (!condition) continue;
    Family family{std::string(trimmed(head)), condition->first, condition->second};
    const bool depends = with_letter(family.formula, family.letter, '\x03') != family.formula;
    return depends ? std::optional(family) : std::nullopt;
  }
  return std::nullopt;
}

bool restricts_unknown(const Family& family) {
  const std::string& text = family.formula;
  if (text.find_first_of("<>") != std::string::npos) return true;
  for (std::size_t at = text.find('\\'); at != std::string::npos; at = text.find('\\', at + 1)) {
    std::size_t end = at + 1;
    while (end < text.size() && is_letter(text[end])) ++end;
    const std::string_view name = std::string_view(text).substr(at + 1, end - at - 1);
    for (const std::string_view relation : {"le", "leq", "ge", "geq", "lt", "gt", "ne", "neq"}) {
      if (name == relation) return true;
    }
  }
  return false;
}

std::optional<std::string> in_letter_of(const Family& family, const Family& other) {
  if (family.domain != other.domain) return std::nullopt;
  if (family.letter == other.letter) return family.formula;
  // A letter with a meaning of its own.
  if (family.formula.find(other.letter) != std::string::npos &&
      with_letter(family.formula, other.letter, '\x03') != family.formula)
    return std::nullopt;
  return with_letter(family.formula, family.letter, other.letter);
}

}  // namespace urpo::answers
