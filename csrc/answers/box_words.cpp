#include "box_words.hpp"

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "boxes.hpp"
#include "characters.hpp"
#include "lexicon.hpp"
#include "notation.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

using Words = std::initializer_list<std::string_view>;

bool is_one_of(std::string_view word, Words words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// The last words of a text, in lower case, the last one first; what only sets type between them
// and behind them is left out.
std::vector<std::string> last_words(std::string_view text, std::size_t most) {
  std::vector<std::string> words;
  std::size_t end = text.size();
  while (words.size() < most) {
    while (end > 0 &&
           (is_space(text[end - 1]) ||
            std::string_view("$([{}\\*:").find(text[end - 1]) != std::string_view::npos)) {
      --end;
    }
    std::size_t begin = end;
    while (begin > 0 && (is_letter(text[begin - 1]) || text[begin - 1] == '\'')) --begin;
    if (begin == end) break;
    words.push_back(lower_case(text.substr(begin, end - begin)));
    end = begin;
  }
  return words;
}

// The end of "between 4 and \boxed{5}"
bool is_upper_end(std::string_view text) {
  text = trimmed(text);
  while (!text.empty() && text.back() == '$') text = trimmed(text.substr(0, text.size() - 1));
  if (!ends_with(text, " and")) return false;
  text.remove_suffix(4);
  const std::size_t at = lower_case(text).rfind("between ");
  if (at == std::string_view::npos) return false;
  const std::string_view lower = text.substr(at + 8);
  return std::none_of(lower.begin(), lower.end(), is_letter);
}

// "~~\boxed{5}~~", "\boxed{5} \u274c"
bool is_crossed(std::string_view beside, bool (*touches)(std::string_view, std::string_view)) {
  beside = trimmed(beside);
  for (const std::string_view mark : {"~~", "~~$", "\u2717", "\u2718", "\u274c"}) {
    if (touches(beside, mark)) return true;
  }
  return false;
}

bool is_behind_colon(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \n\t$([{\\*");
  return last != std::string_view::npos && text[last] == ':';
}

// Before "x = ": "let x = \boxed{5}"
std::string_view without_name(std::string_view text) {
  text = trimmed(text);
  if (text.empty() || text.back() != '=') return text;
  text = trimmed(text.substr(0, text.size() - 1));
  return !text.empty() && is_letter(text.back()) ? text.substr(0, text.size() - 1) : text;
}

// "twice \boxed{5}", "the square root of \boxed{5}", "more than \boxed{5}". "At least \boxed{5}"
// and "no more than \boxed{5}" are how the least and the largest number are given.
bool is_changed_before(const std::vector<std::string>& words) {
  const auto word = [&](std::size_t i) {
    return i < words.size() ? std::string_view(words[i]) : std::string_view();
  };
  if (is_one_of(word(0), {"minus", "negative", "plus", "times", "twice", "thrice", "double",
                          "triple", "exceeds", "exceed", "almost", "nearly"}))
    return true;
  if (is_one_of(word(0), {"under", "over", "below", "above"}))
    return is_one_of(word(1), {"just", "slightly", "barely"});
  if (word(0) == "of" && has_sense(word(1), kFunction) &&
      !is_one_of(word(1), {"multiple", "multiples", "divisor", "divisors", "factor", "factors"}))
    return true;
  const bool compares = is_one_of(word(1), {"more", "less", "fewer", "greater", "larger", "smaller",
                                            "bigger", "higher", "lower"});
  return word(0) == "than" && compares && word(2) != "no" && word(2) != "not";
}

// "we reject \boxed{5}", "all except \boxed{5}", "suppose \boxed{5}", "try \boxed{5}"
bool is_set_aside(const std::vector<std::string>& words) {
  if (words.empty()) return false;
  if (words[0] == "out" && words.size() > 1) return is_one_of(words[1], {"rule", "ruled"});
  if (words[0] == "but" && words.size() > 1)
    return is_one_of(words[1], {"all", "any", "every", "numbers", "anything", "everything"});
  return has_sense(words[0], kSupposes) ||
         is_one_of(words[0], {"reject", "discard", "exclude", "excluding", "except", "without",
                              "eliminate", "dismiss", "try", "consider"});
}

// "\u7b54\u6848\u4e0d\u662f\boxed{5}": is not, not equal, cannot be.
bool is_denied_by_ideographs(std::string_view text) {
  while (!text.empty() &&
         (is_space(text.back()) || std::string_view("$(*\\[{").find(text.back()) != text.npos))
    text.remove_suffix(1);
  const Words denials = {"\u4e0d\u662f", "\u4e0d\u4e3a",       "\u4e0d\u7b49\u4e8e",
                         "\u5e76\u975e", "\u4e0d\u80fd\u662f", "\u4e0d\u53ef\u80fd\u662f"};
  return std::any_of(denials.begin(), denials.end(),
                     [&](std::string_view denial) { return ends_with(text, denial); });
}

// "\boxed{5}\u662f\u9519\u8bef\u7684": is wrong, is not right, is not correct.
bool is_denied_by_next_ideographs(std::string_view text) {
  for (const std::string_view comma : {"\uff0c", ","}) {
    if (begins_with(text, comma)) text = trimmed(text.substr(comma.size()));
  }
  const Words denials = {"\u662f\u9519",
                         "\u4e0d\u5bf9",
                         "\u4e0d\u6b63\u786e",
                         "\u9519\u8bef",
                         "\u662f\u4e0d\u6b63\u786e",
                         "\u662f\u4e0d\u5bf9",
                         "\u4e0d\u662f\u7b54\u6848",
                         "\u4e0d\u662f\u6b63\u786e"};
  return std::any_of(denials.begin(), denials.end(),
                     [&](std::string_view denial) { return begins_with(text, denial); });
}

// "\boxed{5} plus 6"; "\boxed{5} times as many" gives it.
bool is_calculated_with(std::string_view text) {
  for (const std::string_view word :
       {"plus ", "minus ", "plus or minus ", "times ", "divided by ", "multiplied by "}) {
    if (!starts_with(text, word)) continue;
    const std::string_view rest = trimmed(text.substr(word.size()));
    if (!rest.empty() && (is_digit(rest[0]) || rest[0] == '$' || rest[0] == '\\')) return true;
  }
  return false;
}

// "\boxed{5} does not work", "\boxed{5} doesn't satisfy the equation"; not "does not depend on x".
bool fails(std::string_view text) {
  for (const std::string_view denial :
       {"does not ", "doesn't ", "do not ", "did not ", "didn't ", "won't ", "will not "}) {
    if (!starts_with(text, denial)) continue;
    const std::string_view rest = text.substr(denial.size());
    for (const std::string_view verb :
         {"work", "satisfy", "fit", "hold", "match", "count", "solve", "check"}) {
      if (starts_with_word(rest, verb)) return true;
    }
  }
  return false;
}

// "Is it \boxed{5}?", "\boxed{5} apples?"; a question behind other words is another one.
bool is_asked(std::string_view text) {
  const std::size_t end = end_of_sentence(text);
  if (end >= text.size() || text[end] != '?') return false;
  const std::string_view between = text.substr(0, end);
  return between.size() < 20 && between.find_first_of(",;:-(\xe2") == std::string_view::npos;
}

// Without the end of the formula that the box stands in: left alone, it would open another one.
std::string without_closing(std::string_view text) {
  const std::size_t stop = !text.empty() && (text[0] == '.' || text[0] == ',') ? 1 : 0;
  for (const std::string_view mark : {"$$", "$", "\\)", "\\]"}) {
    if (!begins_with(text.substr(stop), mark)) continue;
    return std::string(text.substr(0, stop)).append(text.substr(stop + mark.size()));
  }
  return std::string(text);
}

}  // namespace

std::string_view without_math_ends(std::string_view text) {
  while (true) {
    const std::size_t before = text.size();
    text = trimmed(text);
    for (const std::string_view mark : {"$", "\\)", "\\]", "*"}) {
      if (text.substr(0, mark.size()) == mark) text.remove_prefix(mark.size());
    }
    if (text.size() == before) return text;
  }
}

bool denied_before(std::string_view text) {
  constexpr std::size_t kMaxWords = 8;
  constexpr std::size_t kMaxLook = 60;
  text = tail(text, kMaxLook);
  if (is_denied_by_ideographs(text) || is_crossed(text, ends_with)) return true;
  const std::vector<std::string> words = last_words(text, kMaxWords);
  // "is negative: \boxed{-5}" only describes it.
  const bool colon = is_behind_colon(text);
  if (!colon && (is_changed_before(words) || is_set_aside(words) || is_upper_end(text)))
    return true;
  const std::string_view unnamed = without_name(text);
  if (ends_with(trimmed(text), "\\not=") || ends_with(trimmed(text), "\\not =")) return true;
  const std::vector<std::string> naming = last_words(unnamed, 1);
  const bool supposed = unnamed.size() != trimmed(text).size() && !naming.empty() &&
                        (naming[0] == "let" || has_sense(naming[0], kSupposes));
  if (supposed) return true;
  bool announced = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (has_sense(word, kDenies) || (word.size() > 3 && ends_with(word, "n't"))) return true;
    for (const auto& [first, second] :
         {std::pair("rather", "than"), std::pair("other", "than"), std::pair("instead", "of"),
          std::pair("anything", "but"), std::pair("different", "from")}) {
      if (i + 1 < words.size() && word == second && words[i + 1] == first) return true;
    }
    // "the wrong answer is"; "the statement that is wrong:" may be what is asked for.
    if (announced && has_sense(word, kErrs | kRejects | kSupposes)) return true;
    // "some would say"
    if (i > 1 && is_one_of(word, {"some", "many", "others", "people", "students", "someone"}) &&
        is_one_of(words[0], {"say", "answer", "think", "claim", "guess"}))
      return true;
    announced = announced || word == "answer" || word == "mistake";
    const bool fills = is_one_of(
        word, {"be",    "been",    "equal",  "equals", "to",         "exactly", "just", "simply",
               "the",   "a",       "an",     "it",     "it's",       "is",      "that", "that's",
               "think", "believe", "answer", "value",  "final",      "correct", "in",   "say",
               "would", "will",    "should", "common", "definitely", "mistake", "claim"});
    if (!fills) return false;
  }
  return false;
}

bool denied_after(std::string_view text) {
  text = without_math_ends(head(text, kMaxSentence));
  if (is_crossed(text, begins_with) || is_asked(text) || is_denied_by_next_ideographs(text) ||
      is_calculated_with(text))
    return true;
  bool verb = false;
  for (int words = 0; words < 5; ++words) {
    std::size_t end = 0;
    while (end < text.size() && (is_letter(text[end]) || text[end] == '\'')) ++end;
    const std::string word = lower_case(text.substr(0, end));
    if (verb && (has_sense(word, kDenies | kErrs | kFaults) ||
                 is_one_of(word, {"trap", "distractor", "excluded", "extraneous", "rejected",
                                  "eliminated", "discarded", "ruled", "too"})))
      return true;
    if (verb && is_one_of(word, {"lower", "upper"}) &&
        starts_with_word(trimmed(text.substr(end)), "bound"))
      return true;
    if (is_one_of(word, {"isn't", "wasn't", "can't", "cannot"})) return true;
    if (words == 0 && fails(text)) return true;
    const bool links =
        is_one_of(word, {"is", "was", "seems", "looks", "appears", "would", "must", "can", "be",
                         "to", "an", "a", "the", "common", "clearly", "obviously"});
    if (!links) return false;
    verb = true;
    text = trimmed(text.substr(end));
  }
  return false;
}

bool offered_after(std::string_view text) {
  text = without_math_ends(head(text, kMaxSentence));
  for (const std::string_view offer : {"could", "might", "may", "would also", "is also",
                                       "also works", "works too", "is possible", "is another"}) {
    if (starts_with_word(text, offer)) return true;
  }
  return false;
}

std::string words_behind(std::string_view text) {
  std::string behind = without_closing(text);
  std::string_view rest = behind;
  while (true) {
    rest = trimmed(rest);
    std::size_t spacing = 0;
    for (const std::string_view command : {"\\,", "\\;", "\\:", "\\ ", "\\quad", "\\qquad"}) {
      if (begins_with(rest, command)) spacing = std::max(spacing, command.size());
    }
    if (spacing == 0) break;
    rest.remove_prefix(spacing);
  }
  for (const std::string_view open : {"\\text{", "\\textrm{", "\\mbox{", "\\mathrm{"}) {
    if (!begins_with(rest, open)) continue;
    const std::size_t length = closing_brace(rest.substr(open.size()));
    if (length == std::string_view::npos) break;
    return std::string(rest.substr(open.size(), length))
        .append(rest.substr(open.size() + length + 1));
  }
  return behind;
}

}  // namespace urpo::answers
