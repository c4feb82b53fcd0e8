#include "final_answer.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "characters.hpp"
#include "notation.hpp"
#include "prose.hpp"

namespace urpo::answers {
namespace {

constexpr std::string_view kSpace = " \t\n\v\f\r";
constexpr std::size_t kMaxLine = 200;  // of a response that is nothing but an answer
constexpr std::size_t kMaxJoinedBoxes = 40;
constexpr std::size_t kMaxGap = 60;        // between boxes that are one answer
constexpr std::size_t kMaxSentence = 400;  // of an answer behind a phrase

bool starts_with(std::string_view text, std::string_view prefix) {
  if (text.size() < prefix.size()) return false;
  return std::equal(prefix.begin(), prefix.end(), text.begin(),
                    [](char a, char b) { return a == lower(b); });
}

// The word that `text` begins with, lower case letters expected in `word`.
bool starts_with_word(std::string_view text, std::string_view word) {
  return starts_with(text, word) && (text.size() == word.size() || !is_letter(text[word.size()]));
}

// Boxes -------------------------------------------------------------------------------------------

struct Box {
  std::size_t begin = 0;  // of the command
  std::size_t end = 0;    // after the closing brace
  std::string_view content;
  bool closed = false;
};

// "\boxed 5": up to the end of the formula or the sentence.
std::size_t end_of_bare_box(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : ' ';
    if (text[i] == '$' || text[i] == '\n') return i;
    if (text[i] == '\\' && (next == ')' || next == ']')) return i;
    if ((text[i] == '.' || text[i] == ',') && is_space(next)) return i;
  }
  return text.size();
}

std::optional<Box> box_at(std::string_view text, std::size_t begin, std::size_t command) {
  Box box;
  box.begin = begin;
  const std::size_t after = begin + command;
  if (after < text.size() && is_letter(text[after])) return std::nullopt;  // another command
  const std::size_t open = text.find_first_not_of(kSpace, after);
  if (open == std::string_view::npos) return box;
  if (text[open] == '{') {
    const std::size_t length = closing_brace(text.substr(open + 1));
    if (length == std::string_view::npos) return box;
    box.content = text.substr(open + 1, length);
    box.end = open + length + 2;
  } else {
    const std::size_t length = end_of_bare_box(text.substr(open));
    box.content = trimmed(text.substr(open, length));
    box.end = open + length;
    if (box.content.empty()) return std::nullopt;
  }
  box.closed = true;
  return box;
}

// The last box that begins before `limit`.
std::optional<Box> last_box(std::string_view text, std::size_t limit) {
  while (limit > 0) {
    const std::size_t at = text.rfind('\\', limit - 1);
    if (at == std::string_view::npos) return std::nullopt;
    for (const std::string_view command : {"\\boxed", "\\fbox"}) {
      if (text.compare(at, command.size(), command) != 0) continue;
      if (auto box = box_at(text, at, command.size())) return box;
    }
    limit = at;
  }
  return std::nullopt;
}

// The first full stop or line break that ends a sentence, not the point of a decimal.
std::size_t end_of_sentence(std::string_view text) {
  for (std::size_t i = 0; i < text.size() && i < kMaxSentence; ++i) {
    if (text[i] == '\n') return i;
    const char next = i + 1 < text.size() ? text[i + 1] : ' ';
    if ((text[i] == '.' || text[i] == '?') && (is_space(next) || next == '*' || next == '"'))
      return i;
  }
  return std::min(text.size(), kMaxSentence);
}

enum class Joint { kTight, kLoose };

// What joins two boxes of one sentence into one answer: ", ", " and ", " or ", or nothing; null if
// they are apart. Loosely, other words may stand there too: "\boxed{1} cow and \boxed{2} pigs".
const char* connector(std::string_view gap, Joint joint) {
  if (gap.size() > kMaxGap || gap.find('\n') != std::string_view::npos) return nullptr;
  const bool apart = end_of_sentence(gap) != gap.size();
  const std::size_t first = gap.find_first_not_of(" $,;)*\\]}");
  if (!apart && first != std::string_view::npos && starts_with_word(gap.substr(first), "or")) {
    return " or ";
  }
  if (joint == Joint::kLoose) {
    const bool joins =
        gap.find(" and ") != std::string_view::npos || gap.find(',') != std::string_view::npos;
    return joins && !apart ? ", " : nullptr;
  }
  std::string words;
  for (std::size_t i = 0; i < gap.size(); ++i) {
    const char c = gap[i];
    if (c == '\\') {
      std::size_t end = i + 1;
      while (end < gap.size() && is_letter(gap[end])) ++end;
      const std::string_view name = gap.substr(i + 1, end - i - 1);
      if (!name.empty() && name != "quad" && name != "qquad" && name != "text" && name != "mbox" &&
          name != "textrm") {
        return nullptr;
      }
      i = name.empty() ? i + 1 : end - 1;
    } else if (is_letter(c)) {
      words += lower(c);
    } else if (!is_space(c) && c != '$' && c != ',' && c != '{' && c != '}' && c != ';' &&
               c != '*') {
      return nullptr;
    }
  }
  if (words == "or") return " or ";
  return words.empty() || words == "and" ? ", " : nullptr;
}

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

// "the answer is not \boxed{5}"
bool denied_before(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0 && (is_space(text[end - 1]) || text[end - 1] == '$' || text[end - 1] == '(' ||
                     text[end - 1] == '[' || text[end - 1] == '\\' || text[end - 1] == '*' ||
                     text[end - 1] == ':')) {
    --end;
  }
  std::size_t begin = end;
  while (begin > 0 && (is_letter(text[begin - 1]) || text[begin - 1] == '\'')) --begin;
  const std::string_view word = text.substr(begin, end - begin);
  for (const std::string_view denial : {"not", "never", "isn't", "cannot", "nor", "neither"}) {
    if (word.size() == denial.size() && starts_with(word, denial)) return true;
  }
  return false;
}

// "\boxed{5} is wrong"
bool denied_after(std::string_view text) {
  text = without_math_ends(text.substr(0, 200));
  for (const std::string_view denial : {"is not", "isn't", "is wrong", "is incorrect", "is false",
                                        "was wrong", "is an incorrect"}) {
    if (starts_with_word(text, denial)) return true;
  }
  return false;
}

// The content of a box and of those before it that are joined to it.
std::string joined_boxes(std::string_view text, const Box& last, Joint joint) {
  std::vector<std::string> parts = {std::string(last.content)};
  std::vector<const char*> joints;
  for (Box box = last; parts.size() < kMaxJoinedBoxes;) {
    const auto previous = last_box(text, box.begin);
    if (!previous || !previous->closed || previous->end > box.begin) break;
    const char* between = connector(text.substr(previous->end, box.begin - previous->end), joint);
    if (between == nullptr) break;
    parts.emplace_back(previous->content);
    joints.push_back(between);
    box = *previous;
  }
  const bool same = std::all_of(parts.begin(), parts.end(),
                                [&](const std::string& part) { return part == parts.front(); });
  std::string answer = same ? parts.front() : parts.back();
  for (std::size_t i = parts.size() - 1; !same && i-- > 0;) answer += joints[i] + parts[i];
  return answer;
}

std::optional<FinalAnswer> boxed_answer(std::string_view text, const Box& last) {
  if (!last.closed) return std::nullopt;
  if (denied_before(text.substr(0, last.begin)) || denied_after(text.substr(last.end)))
    return std::nullopt;
  std::string answer = joined_boxes(text, last, Joint::kTight);
  std::string all = joined_boxes(text, last, Joint::kLoose);
  // "\boxed{5} or 6" is two answers.
  const std::string_view after = without_math_ends(text.substr(last.end, kMaxSentence));
  if (starts_with_word(after, "or") && after.size() > 2) {
    std::string_view more = trimmed(after.substr(2, end_of_sentence(after) - 2));
    if (starts_with_word(more, "equivalently")) more = trimmed(more.substr(12));
    answer += " or ";
    for (const char c : more) {
      if (c != '$') answer += c;
    }
  }
  const bool one = answer == last.content && all != last.content;
  return FinalAnswer{answer, one ? all : std::string(), false};
}

// Phrases -----------------------------------------------------------------------------------------

std::string_view without_markup(std::string_view text) {
  while (!text.empty() && (is_space(text.front()) || text.front() == '*' || text.front() == '_' ||
                           text.front() == ':' || text.front() == '"' || text.front() == '#')) {
    text.remove_prefix(1);
  }
  return text;
}

// What follows "answer" up to the answer itself: " is", ": ", " to the question is", ...
std::optional<std::string_view> after_answer_word(std::string_view text) {
  if (starts_with_word(text, "s")) text.remove_prefix(1);
  const std::size_t line = std::min({text.find('\n'), text.size(), std::size_t{100}});
  for (std::size_t i = 0; i < line; ++i) {
    if (text[i] == ':' || text[i] == '=') return text.substr(i + 1);
    if (text[i] == '.' || text[i] == '?' || text[i] == '$' || is_digit(text[i]))
      return std::nullopt;
    const bool word_begins =
        i > 0 && is_letter(text[i]) && !is_letter(text[i - 1]) && text[i - 1] != '\'';
    if (!word_begins) continue;
    for (const std::string_view verb :
         {"is", "are", "must be", "should be", "will be", "equals", "becomes"}) {
      const std::string_view rest = text.substr(i);
      if (starts_with_word(rest, verb) &&
          (rest.size() == verb.size() || rest[verb.size()] != '\'')) {
        return rest.substr(verb.size());
      }
    }
    if (starts_with_word(text.substr(i), "not") || starts_with_word(text.substr(i), "isn"))
      return std::nullopt;
  }
  return std::nullopt;
}

// A sentence without what explains its answer.
std::string_view without_explanation(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_space(text[i])) continue;
    const std::string_view rest = text.substr(i + 1);
    for (const std::string_view word :
         {"because", "since", "which", "where", "as", "so", "making", "meaning"}) {
      if (starts_with_word(rest, word)) return trimmed(text.substr(0, i));
    }
  }
  return text;
}

std::optional<std::string> stated_answer(std::string_view rest) {
  rest = without_markup(rest);
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view filler :
         {"therefore", "thus", "then", "simply", "just", "clearly", "indeed", "equal to",
          "given by", "also", "the", "option", "choice"}) {
      if (!starts_with_word(rest, filler)) continue;
      rest = without_markup(rest.substr(filler.size()));
      again = true;
    }
  }
  const bool display = starts_with(rest, "\\[") || starts_with(rest, "$$");
  const std::string_view mark = starts_with(rest, "$$") ? "$$" : "\\]";
  const std::size_t close = display ? rest.find(mark, 2) : std::string_view::npos;
  std::string_view answer = close != std::string_view::npos
                                ? rest.substr(2, close - 2)
                                : without_explanation(rest.substr(0, end_of_sentence(rest)));
  answer = trimmed(answer);
  while (!answer.empty() &&
         (answer.back() == '*' || answer.back() == '"' || answer.back() == '.' ||
          answer.back() == ',' || answer.back() == '!' || answer.back() == '_')) {
    // A factorial stays: only an exclamation behind a word or a formula's end is one.
    if (answer.back() == '!' && answer.size() > 1 &&
        (is_digit(answer[answer.size() - 2]) || answer[answer.size() - 2] == ')'))
      break;
    answer = trimmed(answer.substr(0, answer.size() - 1));
  }
  // "Final answer: the largest n is 34"
  const std::size_t verb = std::max(answer.rfind(" is ") + 1, answer.rfind(" are ") + 1);
  if (verb != 0 && answer.find("not") == std::string_view::npos)
    answer = trimmed(answer.substr(answer.find(' ', verb) + 1));
  for (const std::string_view denial :
       {"not", "never", "unknown", "unclear", "wrong", "incorrect"}) {
    if (starts_with_word(answer, denial)) return std::nullopt;
  }
  if (answer.empty()) return std::nullopt;
  return std::string(answer);
}

// The length of what announces an answer, 0 where nothing does.
std::size_t announcement_at(std::string_view text, std::size_t at) {
  const char first = lower(text[at]);
  if ((first != 'a' && first != 'c') || (at > 0 && is_letter(text[at - 1]))) return 0;
  for (const std::string_view phrase : {"answer", "correct option", "correct choice"}) {
    if (starts_with(text.substr(at), phrase)) return phrase.size();
  }
  return 0;
}

// What follows a heading like "**Final Answer**" or "# Answer", whose announcement is at `begin`.
std::optional<std::string_view> below_heading(std::string_view text, std::size_t begin,
                                              std::size_t end) {
  constexpr std::string_view kMarkup = " *_#:\t\r";
  const std::size_t line_end = text.find('\n', end);
  if (line_end == std::string_view::npos) return std::nullopt;
  if (text.substr(end, line_end - end).find_first_not_of(kMarkup) != std::string_view::npos)
    return std::nullopt;
  const std::size_t break_before = text.substr(0, begin).rfind('\n');
  const std::size_t line_begin = break_before == std::string_view::npos ? 0 : break_before + 1;
  std::string_view before = text.substr(line_begin, begin - line_begin);
  before.remove_prefix(std::min(before.find_first_not_of(kMarkup), before.size()));
  before = trimmed(before);
  if (!before.empty() && !(before.size() == 5 && starts_with(before, "final"))) return std::nullopt;
  return text.substr(line_end);
}

std::optional<std::string> phrased_answer(std::string_view text) {
  const std::size_t hashes = text.rfind("####");
  const std::size_t from = hashes == std::string_view::npos ? 0 : hashes;
  for (std::size_t at = text.size(); at-- > from;) {
    const std::size_t length = announcement_at(text, at);
    if (length == 0) continue;
    if (const auto rest = below_heading(text, at, at + length)) return stated_answer(*rest);
    if (const auto rest = after_answer_word(text.substr(at + length))) return stated_answer(*rest);
  }
  if (hashes != std::string_view::npos) return stated_answer(text.substr(hashes + 4));
  return std::nullopt;
}

// The last sentence, without what a chat template or "I hope it is correct" leaves behind it.
std::string_view last_sentence(std::string_view text) {
  text = trimmed(text.substr(0, text.find("<|")));
  text = text.substr(text.size() > kMaxSentence ? text.size() - kMaxSentence : 0);
  std::string_view sentence = text.substr(0, end_of_sentence(text));
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = end_of_sentence(rest);
    if (!starts_with(rest, "i hope")) sentence = rest.substr(0, end);
    rest = trimmed(rest.substr(std::min(rest.size(), end + 1)));
  }
  return sentence;
}

// Whether a sentence says that it concludes something.
bool concludes(std::string_view sentence) {
  for (const std::string_view word : {"therefore", "thus", "hence", "so", "consequently"}) {
    for (std::size_t at = 0; at < sentence.size(); ++at) {
      const bool word_begins = at == 0 || !is_letter(sentence[at - 1]);
      if (word_begins && starts_with_word(sentence.substr(at), word)) return true;
    }
  }
  return false;
}

// "Therefore, the probability is 2/3.": what the last sentence concludes, if it says that it does.
std::optional<std::string> concluded_answer(std::string_view sentence) {
  const std::size_t verb = std::max(sentence.rfind(" is ") + 1, sentence.rfind(" are ") + 1);
  if (!concludes(sentence) || verb == 0) return std::nullopt;
  const std::string_view said = sentence.substr(sentence.find(' ', verb) + 1);
  if (said.find_first_of("0123456789$\\") == std::string_view::npos) return std::nullopt;
  return stated_answer(said);
}

// The formula of a response that ends with a displayed one, or whose last sentence contains just
// one: "We find that $x < 3$."
std::optional<std::string> only_formula(std::string_view text, std::string_view sentence) {
  text = trimmed(text);
  if (!text.empty() && text.back() == '.') text = trimmed(text.substr(0, text.size() - 1));
  for (const auto& [open, close] : {std::pair("\\[", "\\]"), std::pair("$$", "$$")}) {
    if (text.size() < 4 || text.substr(text.size() - 2) != close) continue;
    const std::string_view before = text.substr(0, text.size() - 2);
    const std::size_t begin = before.rfind(open);
    if (begin != std::string_view::npos) return std::string(trimmed(before.substr(begin + 2)));
  }
  for (const auto& [open, close] : {std::pair("\\(", "\\)"), std::pair("$", "$")}) {
    const std::string_view opening = open;
    const std::size_t begin = sentence.find(opening);
    if (begin == std::string_view::npos) continue;
    const std::string_view rest = sentence.substr(begin + opening.size());
    const std::size_t end = rest.find(close);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view after = rest.substr(end + opening.size());
    const bool another = after.find(opening) != std::string_view::npos;
    const bool numbers = after.find_first_of("0123456789") != std::string_view::npos;
    if (another || numbers) return std::nullopt;
    return std::string(trimmed(rest.substr(0, end)));
  }
  return std::nullopt;
}

bool mentions_answer(std::string_view text) {
  for (std::size_t at = 0; at + 6 <= text.size(); ++at) {
    if (starts_with(text.substr(at), "answer")) return true;
  }
  return text.find("####") != std::string_view::npos;
}

// What a response says after the reasoning that </think> ends, if it says anything then.
std::string_view after_thinking(std::string_view response) {
  constexpr std::string_view kEnd = "</think>";
  const std::size_t at = response.rfind(kEnd);
  if (at == std::string_view::npos) return response;
  const std::string_view rest = response.substr(at + kEnd.size());
  return trimmed(rest).empty() ? response : rest;
}

// The content of the last <answer> element, unless a box follows it; empty without one. None of
// several that are joined like boxes.
std::string_view tagged_answer(std::string_view response) {
  constexpr std::string_view kOpen = "<answer>";
  constexpr std::string_view kClose = "</answer>";
  const std::size_t close = response.rfind(kClose);
  if (close == std::string_view::npos) return {};
  const std::size_t open = response.substr(0, close).rfind(kOpen);
  if (open == std::string_view::npos) return {};
  if (last_box(response.substr(close), response.size() - close)) return {};
  const std::size_t previous = response.substr(0, open).rfind(kClose);
  if (previous != std::string_view::npos) {
    const std::size_t begin = previous + kClose.size();
    if (connector(response.substr(begin, open - begin), Joint::kTight) != nullptr) return {};
  }
  return trimmed(response.substr(open + kOpen.size(), close - open - kOpen.size()));
}

std::optional<FinalAnswer> answer_of(std::string_view response) {
  if (const auto box = last_box(response, response.size())) return boxed_answer(response, *box);
  if (auto answer = phrased_answer(response)) return FinalAnswer{*answer, {}, true};
  const std::string_view sentence = last_sentence(response);
  if (sentence.find("not") == std::string_view::npos) {
    if (auto answer = concluded_answer(sentence)) return FinalAnswer{*answer, {}, true};
    if (auto answer = only_formula(response, sentence)) return FinalAnswer{*answer, {}, true};
    if (concludes(sentence) && sole_number(sentence)) {
      return FinalAnswer{std::string(trimmed(sentence)), {}, true};
    }
  }
  const std::string_view line = trimmed(response);
  if (line.empty() || line.size() > kMaxLine || line.find('\n') != std::string_view::npos)
    return std::nullopt;
  if (mentions_answer(line)) return std::nullopt;
  return FinalAnswer{std::string(line), {}, true};
}

}  // namespace

std::optional<FinalAnswer> final_answer(std::string_view response) {
  response = after_thinking(response);
  const std::string_view tagged = tagged_answer(response);
  return answer_of(tagged.empty() ? response : tagged);
}

std::string gold_answer(std::string_view gold) {
  const auto box = last_box(gold, gold.size());
  if (!box) {
    const auto stated = phrased_answer(gold);
    return stated ? *stated : std::string(trimmed(gold));
  }
  if (box->closed) return std::string(trimmed(joined_boxes(gold, *box, Joint::kTight)));
  // A gold that was cut off is still the gold.
  const std::size_t open = gold.find('{', box->begin);
  return std::string(open == std::string_view::npos ? "" : trimmed(gold.substr(open + 1)));
}

}  // namespace urpo::answers
