#include "remarks.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>

#include "characters.hpp"
#include "equivalence.hpp"
#include "notation.hpp"
#include "scan.hpp"
#include "spelled_numbers.hpp"
#include "units.hpp"
#include "words.hpp"

namespace urpo::answers {
namespace {

constexpr std::size_t kMaxRemark = 80;  // bytes
constexpr std::size_t kMaxHead = 400;   // of what stands before, which may have a remark itself
constexpr std::string_view kTextCommands[] = {"\\text{", "\\textrm{", "\\mathrm{", "\\mbox{"};

// Without text commands and braces.
std::string plain(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const std::string_view command : kTextCommands) {
      if (begins_with(text.substr(i), command)) i += command.size() - 1;
    }
    if (text[i] != '{' && text[i] != '}') out += text[i];
  }
  return std::string(trimmed(out));
}

std::string_view without_open_text(std::string_view head) {
  head = trimmed(head);
  for (const std::string_view command : kTextCommands) {
    if (head.size() > command.size() && head.substr(head.size() - command.size()) == command)
      return trimmed(head.substr(0, head.size() - command.size()));
  }
  return head;
}

// "at x = 2": where a value is attained.
bool is_place(std::string_view remark) {
  for (const std::string_view word : {"attained ", "reached ", "achieved "}) {
    if (begins_with(remark, word)) remark = trimmed(remark.substr(word.size()));
  }
  for (const std::string_view word : {"at ", "when "}) {
    if (!begins_with(remark, word)) continue;
    const std::string place = squeezed(remark.substr(word.size()));
    const bool names = place.size() > 2 && is_letter(place[0]) && place[1] == '=';
    return names && place.find('=', 2) == std::string::npos && count_words(place, 1) == 0 &&
           !contains_word(place, "or") && place.find(',') == std::string::npos;
  }
  return false;
}

bool describes(std::string_view remark) {
  for (const std::string_view word :
       {"minimum", "maximum", "minimum value", "maximum value", "min", "max", "total", "in total",
        "exact", "exact value", "simplified", "unit", "units", "square units", "cubic units"}) {
    if (remark == word) return true;
  }
  return false;
}

std::string letters_of(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out),
               [](char c) { return !is_space(c) && c != '.'; });
  return out;
}

}  // namespace

std::string without_remark(std::string text) {
  const std::size_t close = text.find_last_not_of(" }");
  if (close == std::string::npos || text[close] != ')') return text;
  const std::size_t open = text.rfind('(');
  if (open == std::string::npos || open == 0 || open > close || close - open > kMaxRemark)
    return text;
  const std::string_view inside = std::string_view(text).substr(open + 1, close - open - 1);
  const std::string remark = plain(inside);
  const std::string folded = folded_words(remark);
  const std::string_view before = std::string_view(text).substr(0, open);
  const auto spelled_before = number_in_words(folded_words(plain(before)));
  if (spelled_before) {
    const bool same = plain_integer(remark) && equivalent(*spelled_before, remark) == Verdict::kYes;
    return same ? remark : text;
  }
  const std::string head(without_open_text(before));
  // Behind a letter it is an argument or a factor.
  if (head.empty() || head.size() > kMaxHead || !is_balanced(head) || is_letter(head.back()))
    return text;
  // "3 (m)" is a product.
  const bool set_as_text = head.size() != trimmed(before).size() || remark != trimmed(inside);
  if (remark.size() < 2 && !set_as_text) return text;
  const bool digits = std::any_of(head.begin(), head.end(), is_digit);
  if (!digits) return text;
  if (const auto spelled = number_in_words(folded))
    return equivalent(head, *spelled) == Verdict::kYes ? head : text;
  if (describes(folded) || is_place(remark)) return head;
  const std::string unit = leading_unit(remark);
  const bool all =
      !unit.empty() && is_letter(unit.front()) && letters_of(unit) == letters_of(remark);
  return all ? head + "\\text{ " + unit + "}" : text;
}

}  // namespace urpo::answers
