#include "words.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "characters.hpp"
#include "names.hpp"
#include "notation.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

bool is_word_letter(char c) { return is_letter(c) || is_high(c); }

// Calls `visit` with every run of letters that no command name is part of; stops when it says
// false.
template <typename Visit>
void for_each_word(std::string_view text, Visit visit) {
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '\\') {
      std::size_t end = i + 1;
      while (end < text.size() && is_letter(text[end])) ++end;
      i = std::max(end, i + 2);
    } else if (is_word_letter(text[i])) {
      std::size_t end = i;
      while (end < text.size() && is_word_letter(text[end])) ++end;
      if (!visit(text.substr(i, end - i))) return;
      i = end;
    } else {
      ++i;
    }
  }
}

// Words of units that are no units of their own.
bool belongs_to_unit(std::string_view word) {
  for (const std::string_view part : {"square", "cubic", "unit", "units", "per", "percent"}) {
    if (word == part) return true;
  }
  return false;
}

}  // namespace

std::string_view unwrapped(std::string_view text) {
  while (true) {
    text = trimmed(text);
    if (text.empty() || text.front() != '\\' || text.back() != '}') return text;
    const std::size_t open = text.find('{');
    if (open == std::string_view::npos || !is_text_command(trimmed(text.substr(1, open - 1))))
      return text;
    const std::string_view content = text.substr(open + 1, text.size() - open - 2);
    if (!is_balanced(content)) return text;
    text = content;
  }
}

bool is_words(std::string_view text) {
  const std::string_view inner = unwrapped(text);
  // Two letters are a product of variables, unless they are set as text.
  const std::size_t least =
      inner.data() != trimmed(text).data() || inner == "no" || inner == "No" ? 2 : 3;
  text = inner;
  bool word = false;
  for (const char c : text) {
    if (!is_word_letter(c) && !is_space(c) && c != '\'' && c != '.' && c != ',' && c != '-')
      return false;
  }
  if (text.empty() || !is_word_letter(text.front())) return false;
  for_each_word(text, [&](std::string_view run) {
    if (is_function_name(run)) {
      word = false;
      return false;
    }
    word = word || run.size() >= least;
    return true;
  });
  return word;
}

int count_words(std::string_view text, int most) {
  int words = 0;
  for_each_word(text, [&](std::string_view run) {
    if (run.size() >= 3 && !is_function_name(run) && !find_unit(run) && !belongs_to_unit(run) &&
        run != "and" && !is_text_command(run) && !is_environment(run)) {
      ++words;
    }
    return words < most;
  });
  return words;
}

std::string folded_words(std::string_view text) {
  std::string plain;
  text = unwrapped(text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      std::size_t end = i + 1;
      while (end < text.size() && is_letter(text[end])) ++end;
      if (!is_text_command(text.substr(i + 1, end - i - 1))) plain.append(text.substr(i, end - i));
      i = std::max(end, i + 1) - 1;
    } else if (text[i] != '{' && text[i] != '}' && text[i] != '"' && text[i] != '*') {
      plain += text[i];
    }
  }
  std::string folded;
  for (std::size_t i = 0; i < plain.size();) {
    if (is_space(plain[i]) || plain[i] == '-') {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < plain.size() && !is_space(plain[end]) && plain[end] != '-') ++end;
    const std::string word = lower_case(std::string_view(plain).substr(i, end - i));
    i = end;
    if (folded.empty() && (word == "a" || word == "an" || word == "the") && i < plain.size())
      continue;
    if (!folded.empty()) folded += ' ';
    folded += word;
  }
  while (!folded.empty() && (folded.back() == '.' || folded.back() == ' ')) folded.pop_back();
  return folded;
}

bool contains_word(std::string_view text, std::string_view word) {
  bool found = false;
  for_each_word(text, [&](std::string_view run) {
    found = lower_case(run) == word;
    return !found;
  });
  return found;
}

bool is_denial(std::string_view text) {
  for (const std::string_view relation : {"\\neq", "\\ne ", "!=", "\\not"}) {
    if (begins_with(text, 0, relation)) return true;
  }
  for (const std::string_view denial : {"not", "never", "neither", "nor", "except"}) {
    if (contains_word(text, denial)) return true;
  }
  return false;
}

bool asks_for_work(std::string_view answer, std::string_view gold) {
  for (const std::string_view command :
       {"\\sum", "\\prod", "\\int", "\\lim", "\\gcd", "\\lcm", "\\max", "\\min", "\\det", "\\bmod",
        "\\pmod", "gcd(", "lcm(", "max(", "min("}) {
    const bool open = answer.find(command) != std::string_view::npos;
    if (open && gold.find(command) == std::string_view::npos) return true;
  }
  return false;
}

std::string_view set_in_words(std::string_view folded) {
  for (const std::string_view reals : {"all real numbers", "all reals", "real numbers"}) {
    if (folded == reals) return "\\mathbb{R}";
  }
  for (const std::string_view empty :
       {"empty set", "null set", "no solution", "no solutions", "no real solution",
        "no real solutions", "no real number", "no real numbers", "no values"}) {
    if (folded == empty) return "\\emptyset";
  }
  return {};
}

std::vector<std::string> listed_words(std::string_view text) {
  text = unwrapped(text);
  std::vector<std::string> items(1);
  bool letters_only = true;
  const auto separate = [&] {
    if (!items.back().empty()) items.emplace_back();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',' || text[i] == '&') {
      separate();
    } else if (begins_with(text, i, " and ")) {
      separate();
      i += 4;
    } else if (is_word_letter(text[i])) {
      items.back() += text[i];
    } else if (is_space(text[i])) {
      if (!items.back().empty() && items.back().back() != ' ') items.back() += ' ';
    } else {
      return {};
    }
  }
  for (std::string& item : items) {
    item = std::string(trimmed(item));
    letters_only = letters_only && item.size() == 1;
    if (item.size() > 1) item = lower_case(item);
  }
  if (items.back().empty()) items.pop_back();
  if (items.size() < 2) return {};
  // Of several choices the order means nothing; of names it may be what was asked for.
  if (letters_only) std::sort(items.begin(), items.end());
  return items;
}

std::string with_usual_words(std::string folded) {
  for (const std::string_view there : {"there are no ", "there is no "}) {
    if (begins_with(folded, 0, there)) folded = folded.substr(there.size() - 3);
  }
  for (const auto& [word, usual] :
       {std::pair("no solutions", "no solution"),
        std::pair("no real solutions", "no real solution"), std::pair("dne", "does not exist"),
        std::pair("infinity many", "infinitely many")}) {
    if (folded == word) return usual;
  }
  return folded;
}

std::optional<std::string> month_and_day(std::string_view text) {
  if (text.size() > 80) return std::nullopt;
  std::string month;
  std::vector<std::string> numbers;
  const std::string folded = folded_words(text);
  for (std::size_t i = 0; i < folded.size();) {
    std::size_t end = i;
    while (end < folded.size() && folded[end] != ' ' && folded[end] != ',') ++end;
    const std::string word = folded.substr(i, end - i);
    i = end + 1;
    if (word.empty() || word == "of" || word == "the") continue;
    const std::size_t digits = word.find_first_not_of("0123456789");
    if (digits != 0) {
      const std::string ending = digits == std::string::npos ? "" : word.substr(digits);
      const bool ordinal = ending == "st" || ending == "nd" || ending == "rd" || ending == "th";
      if ((!ending.empty() && !ordinal) || word.size() > 4) return std::nullopt;
      numbers.push_back(word.substr(0, digits));
      continue;
    }
    bool known = false;
    for (const std::string_view name :
         {"january", "february", "march", "april", "may", "june", "july", "august", "september",
          "october", "november", "december"}) {
      known = known || word == name;
    }
    if (!known || !month.empty()) return std::nullopt;
    month = word;
  }
  if (month.empty() || numbers.empty() || numbers.size() > 2) return std::nullopt;
  for (const std::string& number : numbers) month += " " + number;
  return month;
}

namespace {

// The letters of several choices, run together and rising: "ACD".
bool is_run_of_choices(std::string_view text) {
  if (text.size() < 2 || text.size() > 8) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] < 'A' || text[i] > 'H' || (i > 0 && text[i] <= text[i - 1])) return false;
  }
  return true;
}

// "ACD" of "A, D and C"; empty for anything else.
std::string joined_letters(std::string_view text) {
  std::string joined;
  for (const std::string& letter : listed_words(text)) joined += letter.size() == 1 ? letter : "?";
  return joined;
}

}  // namespace

bool names_all_choices(std::string_view answer, std::string_view gold) {
  answer = unwrapped(answer);
  gold = unwrapped(gold);
  return (is_run_of_choices(gold) && joined_letters(answer) == gold) ||
         (is_run_of_choices(answer) && joined_letters(gold) == answer);
}

bool is_date(std::string_view text) {
  std::array<std::size_t, 3> digits{};
  std::size_t part = 0;
  char separator = 0;
  for (const char c : text) {
    if (is_digit(c)) {
      ++digits.at(part);
    } else if ((c == '-' || c == '/' || c == '.') && part < 2 &&
               (separator == 0 || separator == c)) {
      separator = c;
      ++part;
    } else {
      return false;
    }
  }
  const auto fits = [&](std::size_t i, std::size_t most) {
    return digits.at(i) >= 1 && digits.at(i) <= most;
  };
  return part == 2 && fits(0, 4) && fits(1, 2) && fits(2, 4);
}

std::optional<Choice> read_choice(std::string_view text) {
  Choice choice;
  const std::string_view inner = unwrapped(text);
  choice.marked = inner.data() != trimmed(text).data();
  text = inner;
  for (const std::string_view word :
       {"option ", "choice ", "answer ", "Option ", "Choice ", "Answer "}) {
    if (begins_with(text, 0, word)) text = trimmed(text.substr(word.size()));
  }
  // "\text{(B)} 12", "\text{B. } 12": the command ends before the content does.
  if (!text.empty() && text.front() == '\\') {
    const std::size_t open = text.find('{');
    const std::size_t close = text.find('}');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open)
      return std::nullopt;
    if (!is_text_command(text.substr(1, open - 1))) return std::nullopt;
    const std::string_view inside = trimmed(text.substr(open + 1, close - open - 1));
    const auto label = read_choice(inside);
    const bool ends = label && (label->marked || inside.back() == '.' || inside.back() == ':');
    if (!ends || !label->content.empty()) return std::nullopt;
    choice = *label;
    choice.marked = true;
    choice.content = trimmed(text.substr(close + 1));
    return choice;
  }
  const bool open = !text.empty() && text.front() == '(';
  if (open) text = trimmed(text.substr(1));
  if (text.empty() || lower(text.front()) < 'a' || lower(text.front()) > 'j') return std::nullopt;
  choice.letter = static_cast<char>(lower(text.front()) - 32);
  choice.lower_case = text.front() != choice.letter;
  text = trimmed(text.substr(1));
  if (open) {
    if (text.empty() || text.front() != ')') return std::nullopt;
    choice.marked = true;
    choice.content = trimmed(text.substr(1));
  } else if (!text.empty()) {
    if (text.front() != '.' && text.front() != ')' && text.front() != ':') return std::nullopt;
    choice.marked = choice.marked || text.front() == ')';
    choice.content = trimmed(text.substr(1));
  }
  return choice;
}

std::optional<std::string> plain_integer(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  while (text.size() > 1 && text.front() == '0') text.remove_prefix(1);
  return negative && text != "0" ? "-" + std::string(text) : std::string(text);
}

}  // namespace urpo::answers
