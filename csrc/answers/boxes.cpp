#include "boxes.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "box_chain.hpp"
#include "box_formula.hpp"
#include "box_words.hpp"
#include "characters.hpp"
#include "lexicon.hpp"
#include "notation.hpp"
#include "phrases.hpp"
#include "pieces.hpp"
#include "scan.hpp"
#include "spoken.hpp"
#include "statement.hpp"
#include "units.hpp"

namespace urpo::answers {
namespace {

constexpr std::size_t kMaxJoinedBoxes = 40;
constexpr int kMaxDenied = 4;              // boxes that are passed over: "5, not 6, nor 7"
constexpr std::size_t kMaxAround = 1000;   // on either side of a box that another one may hold
constexpr std::size_t kMaxGap = 60;        // between boxes that are one answer
constexpr std::size_t kMaxOfferGap = 120;  // between boxes of which one is offered besides

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

std::optional<std::string> without_inner_box(std::string_view text) {
  const auto inner = last_box(text, text.size());
  if (!inner || !inner->closed) return std::nullopt;
  const std::size_t from = inner->begin > kMaxAround ? inner->begin - kMaxAround : 0;
  const std::string_view around = text.substr(from, inner->end + kMaxAround - from);
  for (std::size_t limit = inner->begin; limit > from;) {
    const auto outer = last_box(around, limit - from);
    if (!outer) return std::nullopt;
    const bool holds = outer->closed && outer->end + from >= inner->end;
    const bool alone = trimmed(outer->content).size() == inner->end - inner->begin;
    if (holds && !alone) {
      const auto joins = [](char c) { return is_letter(c) || is_digit(c); };
      const bool bare = !(inner->begin > 0 && joins(text[inner->begin - 1])) &&
                        !(inner->end < text.size() && joins(text[inner->end]));
      std::string flat(text.substr(0, inner->begin));
      flat += bare ? "" : "{";
      flat += inner->content;
      flat += bare ? "" : "}";
      flat += text.substr(inner->end);
      return flat;
    }
    limit = outer->begin + from;
  }
  return std::nullopt;
}

// "or", "alternatively"; "it could also be", "if order matters, it is" where they stand in the
// sentence of the second box.
bool offers_another(std::string_view gap) {
  std::size_t begin = gap.find_first_not_of(" $,;.:)(*\\]}{\n");
  if (begin == std::string_view::npos) begin = gap.size();
  const std::string_view first = gap.substr(begin);
  std::size_t end = 0;
  while (end < first.size() && is_letter(first[end])) ++end;
  if (has_sense(lower_case(first.substr(0, end)), kOffers) && first.substr(0, end) != "if")
    return true;
  const std::size_t stop = gap.find_last_of(".!?\n");
  std::string_view sentence = stop == std::string_view::npos ? gap : gap.substr(stop + 1);
  bool offers = false;
  for (std::size_t i = 0; i < sentence.size(); i = end + 1) {
    for (end = i; end < sentence.size() && is_letter(sentence[end]); ++end) {
    }
    const std::string word = lower_case(sentence.substr(i, end - i));
    if (has_sense(word, kConnective)) offers = false;
    offers = offers || has_sense(word, kOffers | kModal);
  }
  return offers;
}

namespace {

// The box before another one, of those that are no longer than an answer.
std::optional<Box> box_before(std::string_view text, const Box& box) {
  constexpr std::size_t kMaxLook = 4096;
  const std::size_t from = box.begin > kMaxLook ? box.begin - kMaxLook : 0;
  auto before = last_box(text.substr(from), box.begin - from);
  if (before) {
    before->begin += from;
    before->end += from;
  }
  return before;
}

}  // namespace

const char* connector(std::string_view gap, Joint joint) {
  if (gap.size() > kMaxOfferGap) return nullptr;
  if (offers_another(gap)) return " or ";
  if (gap.size() > kMaxGap) return nullptr;
  // Nothing that says which one: "\\boxed{1}. \\boxed{2}"
  if (gap.find_first_not_of(" \t\r\n$.,;*\\()[]") == std::string_view::npos) return ", ";
  if (gap.find('\n') != std::string_view::npos) return nullptr;
  const bool apart = end_of_sentence(gap) != gap.size();
  if (joint == Joint::kLoose) {
    const bool joins =
        gap.find(" and ") != std::string_view::npos || gap.find(',') != std::string_view::npos;
    return joins && !apart ? ", " : nullptr;
  }
  std::string words;
  bool offers = false;
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
    } else if (c == '|' || c == '/') {
      offers = true;
    } else if (!is_space(c) && c != '$' && c != ',' && c != '{' && c != '}' && c != ';' &&
               c != '*') {
      return nullptr;
    }
  }
  if (offers && words.empty()) return " or ";
  const bool lists = words.empty() || words == "and" || words == "andalso" || words == "aswellas";
  return lists ? ", " : nullptr;
}

std::string joined_boxes(std::string_view text, const Box& last, Joint joint) {
  std::vector<std::string> parts = {std::string(last.content)};
  std::vector<const char*> joints;
  for (Box box = last; parts.size() < kMaxJoinedBoxes;) {
    const auto previous = box_before(text, box);
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

namespace {

// Whether `between` the word "answer" and what follows are a verb and nothing else: " should be",
// not ", as a check shows:".
bool announces_plainly(std::string_view between) {
  if (between.size() > kMaxGap || between.find(',') != std::string_view::npos) return false;
  std::size_t begin = 0;
  for (std::size_t end = 0; begin < between.size(); begin = std::max(end, begin + 1)) {
    for (end = begin; end < between.size() && is_letter(between[end]); ++end) {
    }
    if (end > begin && !has_sense(lower_case(between.substr(begin, end - begin)), kPlain | kVerb))
      return false;
  }
  return true;
}

// Whether what is said behind the box takes it back. Adds what must agree with it.
bool is_retracted(std::string_view after, FinalAnswer& found) {
  const std::string typed = plain_typed(after);
  if (!add_afterword(typed, found)) return true;
  const auto rest = after_announcement(typed);
  if (!rest) return false;
  const auto end = static_cast<std::size_t>(rest->data() - typed.data());
  const std::string before = lower_case(tail(std::string_view(typed).substr(0, end), kMaxSentence));
  const std::size_t word = before.rfind("answer");
  if (word != std::string::npos && !announces_plainly(std::string_view(before).substr(word + 6)))
    return false;
  if (auto statement = announced_statement(*rest)) add_offer(std::move(*statement), found);
  return false;
}

// Adds what "or" and "and" offer besides: "\boxed{5} or 6", "$\boxed{5}\text{ and }6$". The length
// of that in `behind`.
std::size_t add_alternative(std::string_view behind, FinalAnswer& found) {
  const std::string_view after = without_math_ends(head(behind, kMaxSentence));
  std::size_t word = 0;
  bool or_more = false;
  for (const std::string_view joint : {"or", "and", "\u6216"}) {
    if (!starts_with(after, joint) || (is_letter(joint[0]) && !starts_with_word(after, joint)))
      continue;
    word = joint.size();
    or_more = joint != "and";
  }
  if (word == 0 || after.size() <= word) return 0;
  const std::size_t stop = end_of_sentence(after);
  std::string_view more = trimmed(after.substr(word, stop - word));
  if (or_more && starts_with_word(more, "equivalently")) more = trimmed(more.substr(12));
  // "and 7 girls" is about something else.
  const bool value = std::any_of(more.begin(), more.end(), is_digit) &&
                     std::none_of(more.begin(), more.end(), [](char c) { return is_letter(c); });
  if (!or_more && !value) return 0;
  found.text += or_more ? " or " : ", ";
  for (const char c : more) {
    if (c != '$') found.text += c;
  }
  return static_cast<std::size_t>(after.data() - behind.data()) + stop;
}

}  // namespace

std::optional<FinalAnswer> boxed_answer(std::string_view text, const Box& last) {
  Box box = last;
  std::size_t end = box.end;
  // "\boxed{5}, not \boxed{6}"
  for (int denied = 0; box.closed && denied_before(text.substr(0, box.begin)); ++denied) {
    const auto previous = box_before(text, box);
    if (!previous || denied == kMaxDenied || previous->end + kMaxOfferGap < box.begin)
      return std::nullopt;
    box = *previous;
  }
  if (!box.closed || denied_after(text.substr(box.end))) return std::nullopt;
  const auto other = box_before(text, box);
  if (other && other->end + kMaxOfferGap > box.begin && offered_after(text.substr(box.end)))
    return std::nullopt;
  FinalAnswer found;
  if (const auto formula = formula_around(text, box.begin, box.end, box.content)) {
    // "-\boxed{x = 5}" is no formula.
    if (box.content.find('=') != std::string_view::npos) return std::nullopt;
    found.text = formula->text;
    found.is_composed = true;
    if (formula->is_bound) found.bound = box.content;
    end = std::max(end, formula->end);
    found.unit_after = leading_unit(text.substr(end, kMaxUnit));
    return is_retracted(text.substr(end), found) ? std::nullopt : std::optional(found);
  }
  if (leads_elsewhere(box.content, text, end)) return std::nullopt;
  found.text = joined_boxes(text, box, Joint::kTight);
  std::string all = joined_boxes(text, box, Joint::kLoose);
  found.unit_after = unit_around(text, box);
  found.text += listed_behind(text, box.begin, end);
  const std::string behind = words_behind(text.substr(end));
  const std::size_t more = add_alternative(behind, found);
  if (found.text == box.content && all != box.content) found.all_boxes = std::move(all);
  return is_retracted(std::string_view(behind).substr(more), found) ? std::nullopt
                                                                    : std::optional(found);
}

}  // namespace urpo::answers
