#include "boxes.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "characters.hpp"
#include "notation.hpp"
#include "scan.hpp"
#include "units.hpp"

namespace urpo::answers {
namespace {

constexpr std::size_t kMaxJoinedBoxes = 40;
constexpr std::size_t kMaxGap = 60;  // between boxes that are one answer

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

// "\$\boxed{6}", "$\boxed{6}$ minutes": the unit that stands beside a box.
std::string unit_around(std::string_view text, const Box& box) {
  std::string_view before = trimmed(text.substr(0, box.begin));
  for (const std::string_view open : {"$", "\\(", "\\[", "**"}) {
    const std::size_t size = before.size();
    const bool currency = size > 1 && open == "$" && before[size - 2] == '\\';
    if (!currency && size >= open.size() && before.substr(size - open.size()) == open)
      before = trimmed(before.substr(0, size - open.size()));
  }
  if (before.size() > 1 && before.substr(before.size() - 2) == "\\$") return "dollars";
  return leading_unit(text.substr(box.end, kMaxUnit));
}

}  // namespace

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
  FinalAnswer found;
  found.text = answer;
  if (one) found.all_boxes = all;
  found.unit_after = unit_around(text, last);
  return found;
}

}  // namespace urpo::answers
