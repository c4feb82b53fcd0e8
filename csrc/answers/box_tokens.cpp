#include "box_tokens.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "characters.hpp"
#include "lexicon.hpp"
#include "names.hpp"
#include "notation.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

using Names = std::unordered_set<std::string_view>;

Role role_of_command(std::string_view name) {
  static const Names operators = {
      "cdot", "times", "div", "pm",     "mp",       "ast",      "ne",   "neq",  "le",   "leq",
      "ge",   "geq",   "lt",  "gt",     "leqslant", "geqslant", "mid",  "nmid", "not",  "notin",
      "over", "cup",   "cap", "choose", "setminus", "lor",      "land", "vee",  "wedge"};
  static const Names operands = {"sum", "prod", "int", "lim", "log", "ln"};
  static const Names boundaries = {"quad", "qquad", "in", "approx", "pmod", "mod", "bmod"};
  if (operators.count(name) != 0) return Role::kOperator;
  if (boundaries.count(name) != 0) return Role::kBoundary;
  const std::string_view meaning = command_meaning(name);
  if (meaning.empty() || name == "color" || name == "textcolor" || name == "Large")
    return Role::kSpace;
  const bool operand = operands.count(name) != 0 || is_meaningful_command(meaning) ||
                       is_greek_letter(name) || is_function_name(meaning);
  return operand ? Role::kOperand : Role::kBoundary;
}

// The tokens of one side of a box, in a line of text.
class Reader {
 public:
  Reader(std::string_view text, std::size_t begin, std::size_t end)
      : text_(text.substr(0, end)), line_begin_(begin), at_(begin) {}

  std::vector<BoxToken> read() {
    while (at_ < text_.size()) next();
    return std::move(tokens_);
  }

 private:
  char char_at(std::size_t at) const { return at < text_.size() ? text_[at] : ' '; }

  void add(Role role, std::size_t length) {
    tokens_.push_back({role, at_, text_.substr(at_, length), text_[at_] == '\\'});
    at_ += tokens_.back().text.size();
  }

  void next() {
    const char c = text_[at_];
    if (is_space(c) || c == '~') return add(Role::kSpace, 1);
    if (c == '\\') return command();
    if (is_digit(c)) return number();
    if (is_letter(c)) return word();
    if (is_high(c)) return character();
    if (c == '$') return add(Role::kEnd, char_at(at_ + 1) == '$' ? 2 : 1);
    if (c == '(' || c == '[' || c == '{') return add(Role::kOpen, 1);
    if (c == ')' || c == ']' || c == '}') return add(Role::kClose, 1);
    if (c == '<' && tag() != 0) return add(Role::kEnd, tag());
    const char next = char_at(at_ + 1);
    if ((c == '-' || c == '=') && next == '>') return add(Role::kBoundary, 2);  // an arrow
    // "x != 5", not "3!=6".
    const bool unequal = c == '!' && at_ > 0 && is_space(text_[at_ - 1]);
    if ((c == '<' || c == '>' || unequal) && next == '=') return add(Role::kOperator, 2);
    if (c == '*' && next == '*') return add(Role::kEnd, 2);  // type
    const bool sign = std::string_view("+-*/^_<>|!'").find(c) != std::string_view::npos;
    add(sign ? Role::kOperator : Role::kBoundary, 1);
  }

  // The length of "<b>" or "</b>" here, 0 of anything else.
  std::size_t tag() const {
    std::size_t end = at_ + 1;
    if (char_at(end) == '/') ++end;
    const std::size_t name = end;
    while (is_letter(char_at(end)) && end < name + 8) ++end;
    return end > name && char_at(end) == '>' ? end + 1 - at_ : 0;
  }

  void command() {
    const char next = char_at(at_ + 1);
    if (next == '(' || next == ')' || next == '[' || next == ']') return add(Role::kEnd, 2);
    if (next == '{') return add(Role::kOpen, 2);
    if (next == '}') return add(Role::kClose, 2);
    if (std::string_view(",;:! ").find(next) != std::string_view::npos || next == '$')
      return add(Role::kSpace, 2);
    if (!is_letter(next)) return add(Role::kBoundary, 2);
    std::size_t end = at_ + 1;
    while (is_letter(char_at(end))) ++end;
    const std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
    const std::size_t open = text_.find_first_not_of(' ', end);
    if (is_text_command(name) && char_at(open) == '{') {
      const std::size_t length = closing_brace(text_.substr(open + 1));
      if (length != std::string_view::npos) return add(Role::kBoundary, open + length + 2 - at_);
    }
    if (name == "begin" || name == "end" || name == "tag") {
      const std::size_t close = text_.find('}', end);
      return add(Role::kBoundary, std::min(close, text_.size() - 1) + 1 - at_);
    }
    add(role_of_command(name), end - at_);
  }

  void number() {
    std::size_t end = at_;
    while (is_digit(char_at(end)) || (char_at(end) == '.' && is_digit(char_at(end + 1)))) ++end;
    add(Role::kOperand, end - at_);
  }

  void word() {
    std::size_t end = at_;
    while (is_letter(char_at(end))) ++end;
    const bool alone = (at_ == line_begin_ || is_space(text_[at_ - 1])) && is_space(char_at(end));
    const bool article = alone && (text_[at_] == 'a' || text_[at_] == 'A' || text_[at_] == 'I');
    add(end - at_ == 1 && !article ? Role::kOperand : Role::kBoundary, end - at_);
  }

  void character() {
    std::size_t end = at_ + 1;
    while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0U) == 0x80U) ++end;
    const std::string_view sign = text_.substr(at_, end - at_);
    static const Names operators = {"\u00d7", "\u00f7", "\u00b7", "\u00b1", "\u2212", "\u2260",
                                    "\u2264", "\u2265", "\u221a", "\u222a", "\u2229"};
    static const Names operands = {"\u03c0", "\u00b2", "\u00b3", "\u00bd"};
    add(operators.count(sign) != 0  ? Role::kOperator
        : operands.count(sign) != 0 ? Role::kOperand
                                    : Role::kBoundary,
        end - at_);
  }

  std::string_view text_;
  std::size_t line_begin_;
  std::size_t at_;
  std::vector<BoxToken> tokens_;
};

}  // namespace

std::vector<BoxToken> tokens_beside_box(std::string_view text, std::size_t begin, std::size_t end) {
  return Reader(text, begin, end).read();
}

bool is_in_formula(const std::vector<BoxToken>& before) {
  bool inside = false;
  for (const BoxToken& token : before) {
    if (token.role != Role::kEnd || token.text == "**") continue;
    if (token.text[0] == '$') inside = !inside;
    if (token.text[0] == '\\') inside = token.text[1] == '(' || token.text[1] == '[';
  }
  return inside;
}

std::string_view text_inside(const BoxToken& token) {
  const std::size_t open = token.text.find('{');
  if (!token.is_command || open == std::string_view::npos) return token.text;
  return trimmed(token.text.substr(open + 1, token.text.size() - open - 2));
}

bool is_scale(std::string_view word) {
  if (word.empty() || !is_letter(word.back())) return false;
  const std::string name = lower_case(word);
  return has_sense(name, kScales) || (has_sense(name, kModifies) && has_sense(name, kArithmetic));
}

}  // namespace urpo::answers
