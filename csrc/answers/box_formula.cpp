#include "box_formula.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>
#include <vector>

#include "box_tokens.hpp"
#include "characters.hpp"
#include "lexicon.hpp"
#include "names.hpp"
#include "scan.hpp"
#include "words.hpp"

namespace urpo::answers {
namespace {

constexpr std::size_t kMaxSide = 400;  // bytes of a line that are looked at beside a box

struct Opener {
  std::size_t token = 0;  // where it is crossed
  bool joined = false;    // whether something inside of it joins the box already
};

// What stands before the box, read towards the left.
class Left {
 public:
  Left(const std::vector<BoxToken>& tokens, bool in_formula)
      : tokens_(tokens), start_(tokens.size()), in_formula_(in_formula) {
    while (step()) {
    }
  }

  std::size_t start() const { return start_; }
  bool joined() const { return joined_; }
  const std::vector<Opener>& openers() const { return openers_; }
  bool is_dropped(std::size_t token) const { return dropped_.count(token) != 0; }

 private:
  bool step() {
    std::size_t j = start_;
    bool spaced = false;
    while (j > 0 && tokens_[j - 1].role == Role::kSpace) {
      spaced = spaced || !tokens_[j - 1].is_command;
      --j;
    }
    if (j == 0) return false;
    const BoxToken& token = tokens_[j - 1];
    switch (token.role) {
      case Role::kOperator:
        return join(j - 1, applies(j - 1, spaced), true);
      case Role::kOperand:
        return join(j - 1, wants_operand_ || !spaced || in_formula_ || token.is_command, false);
      case Role::kClose:
        return close(j - 1, spaced);
      case Role::kOpen:
        return open(j - 1);
      case Role::kBoundary:
        return join(j - 1, is_ratio(j - 1) || (!spaced && is_point(j - 1)), true);
      default:
        return false;
    }
  }

  // "$3:\\boxed{4}$"
  bool is_ratio(std::size_t i) const {
    return in_formula_ && tokens_[i].text == ":" && i > 0 && is_digit(tokens_[i - 1].text[0]);
  }

  // "0.\boxed{5}"
  bool is_point(std::size_t i) const {
    if (tokens_[i].text != ".") return false;
    const bool digits = i > 0 && is_digit(tokens_[i - 1].text[0]);
    return digits || (in_formula_ && i > 0 && tokens_[i - 1].role == Role::kEnd);
  }

  bool join(std::size_t start, bool is_part, bool is_operator) {
    if (!is_part) return false;
    start_ = start;
    joined_ = true;
    wants_operand_ = is_operator;
    return true;
  }

  // Whether a sign is an operator and no bullet, quotation mark or type.
  bool applies(std::size_t i, bool spaced) const {
    const std::string_view sign = tokens_[i].text;
    std::size_t before = i;
    while (before > 0 && tokens_[before - 1].role == Role::kSpace) --before;
    const bool operand = before > 0 && (tokens_[before - 1].role == Role::kOperand ||
                                        tokens_[before - 1].role == Role::kClose);
    if (sign == "!" || sign == "'") return operand && in_formula_;
    if (in_formula_) return true;
    if (sign == "|") return false;
    if (sign == "*" || sign == "_" || sign == "^") return operand && before == i;
    if (sign == ">" || sign == "<") return operand;
    return operand || tokens_[i].is_command || (sign != "*" && !spaced);
  }

  // The index of the bracket that the one at `i` closes; npos without it.
  std::size_t opening(std::size_t i) const {
    int depth = 0;
    for (std::size_t k = i + 1; k-- > 0;) {
      if (tokens_[k].role == Role::kClose) ++depth;
      if (tokens_[k].role == Role::kOpen && --depth == 0) return k;
    }
    return std::string_view::npos;
  }

  // The index of the command that the braces from `i` on are an argument of; `i` without one.
  std::size_t command_of(std::size_t i) const {
    std::size_t at = i;
    while (at > 0 && tokens_[at - 1].role == Role::kClose && tokens_[at - 1].text != ")") {
      const std::size_t open = opening(at - 1);
      if (open == std::string_view::npos) return i;
      at = open;
    }
    return at > 0 && tokens_[at - 1].is_command && is_letter(tokens_[at - 1].text.back()) ? at - 1
                                                                                          : i;
  }

  bool close(std::size_t i, bool spaced) {
    const std::size_t open = opening(i);
    if (open == std::string_view::npos) return false;
    std::size_t begin = open;
    if (tokens_[i].text == "}") {
      begin = command_of(open);
      if (begin != open && tokens_[begin].role == Role::kSpace) {
        start_ = begin;
        return true;
      }
      // Another box is a part of the formula only where an operator joins it.
      const bool ends = begin != open && tokens_[begin].role == Role::kBoundary;
      if (ends && !wants_operand_) return false;
    } else if (!in_formula_ && !wants_operand_ && i == open + 2) {
      return false;  // "(a)" names a part
    }
    return join(begin, wants_operand_ || !spaced || in_formula_, false);
  }

  bool open(std::size_t i) {
    openers_.push_back({i, joined_});
    start_ = i;
    wants_operand_ = false;
    if (tokens_[i].text != "{") return true;
    const std::size_t command = command_of(i);
    if (command == i) return true;
    const std::string_view name = tokens_[command].text.substr(1);
    const bool transparent = is_text_command(name) || name == "boxed" || name == "fbox" ||
                             tokens_[command].role == Role::kSpace;
    if (transparent) {
      for (std::size_t k = command; k < i; ++k) dropped_.insert(k);
      start_ = command;
      return true;
    }
    return join(command, tokens_[command].role != Role::kBoundary, false);
  }

  const std::vector<BoxToken>& tokens_;
  std::size_t start_;
  bool in_formula_;
  bool joined_ = false;
  bool wants_operand_ = false;
  std::vector<Opener> openers_;
  std::unordered_set<std::size_t> dropped_;
};

// What stands behind the box.
class Right {
 public:
  Right(const std::vector<BoxToken>& tokens, const Left& left, const std::vector<BoxToken>& before,
        bool in_formula)
      : tokens_(tokens), left_(left), before_(before), in_formula_(in_formula) {
    while (step()) {
    }
    scale();
  }

  std::size_t end() const { return end_; }
  bool joined() const { return joined_; }
  std::size_t closed() const { return closed_; }
  std::string_view scale_word() const { return scale_word_; }
  // Of what stands behind the box, a scale apart.
  std::string text() const {
    std::string joined;
    const std::size_t stop = scale_word_.empty() ? end_ : scale_begin_;
    for (std::size_t i = 0; i < stop; ++i) joined += tokens_[i].text;
    if (!scale_word_.empty()) joined += " " + std::string(scale_word_);
    return joined;
  }

 private:
  std::size_t after_spaces(std::size_t i) const {
    while (i < tokens_.size() && tokens_[i].role == Role::kSpace) ++i;
    return i;
  }

  bool join(std::size_t end, bool is_operator) {
    end_ = end;
    joined_ = true;
    wants_operand_ = is_operator;
    return true;
  }

  bool step() {
    const std::size_t i = after_spaces(end_);
    if (i >= tokens_.size()) return false;
    const BoxToken& token = tokens_[i];
    const bool attached = i == end_;
    switch (token.role) {
      case Role::kClose:
        return close(i);
      case Role::kOperator:
        return applies(i, attached) && join(i + 1, token.text != "!" && token.text != "'");
      case Role::kOperand: {
        const bool unit = !wants_operand_ && token.text.size() == 1 && find_unit(token.text);
        if (token.text == "\\circ" || token.text == "\\degree" || unit) return false;
        return (wants_operand_ || attached || in_formula_ || token.is_command) &&
               join(i + 1, false);
      }
      case Role::kOpen:
        return open(i, attached);
      case Role::kBoundary:
        return digits(i, attached);
      default:
        return false;
    }
  }

  bool close(std::size_t i) {
    if (closed_ >= left_.openers().size()) return false;
    const std::string_view opener = before_[left_.openers()[closed_].token].text;
    if ((opener == "{") != (tokens_[i].text == "}")) return false;
    ++closed_;
    end_ = i + 1;
    wants_operand_ = false;
    return true;
  }

  bool applies(std::size_t i, bool attached) const {
    const std::string_view sign = tokens_[i].text;
    if (sign == "!" || sign == "'") return in_formula_ && attached;
    const std::size_t next = after_spaces(i + 1);
    if (sign == "^" && next < tokens_.size()) {
      const std::size_t power = tokens_[next].text == "{" ? after_spaces(next + 1) : next;
      const bool degrees = power < tokens_.size() &&
                           (tokens_[power].text == "\\circ" || tokens_[power].text == "\\degree");
      return !degrees;
    }
    if (sign == "|" && !in_formula_) return false;
    if (sign == "_" && !attached) return false;
    if (next >= tokens_.size()) return sign == "|" && left_.joined();
    const BoxToken& operand = tokens_[next];
    if (operand.role == Role::kOpen || operand.role == Role::kOperand) return true;
    return (operand.text == "-" && !wants_operand_) || (sign == "|" && left_.joined());
  }

  // "5(x+1)", "\frac{5}{2}"; not "5 (mod 7)", "5 (see above)".
  bool open(std::size_t i, bool attached) {
    std::size_t close = i;
    bool words = false;
    for (int depth = 0; close < tokens_.size(); ++close) {
      if (tokens_[close].role == Role::kOpen) ++depth;
      if (tokens_[close].role == Role::kClose && --depth == 0) break;
      words = words || tokens_[close].role == Role::kEnd ||
              (tokens_[close].role == Role::kBoundary && is_letter(tokens_[close].text.back()));
    }
    if (close >= tokens_.size()) return false;
    const bool brace = tokens_[i].text == "{";
    if (words && !brace) return false;
    return (brace || attached || in_formula_ || wants_operand_) && join(close + 1, false);
  }

  // "5,000", "5.2", "5:2"
  bool digits(std::size_t i, bool attached) {
    if (!attached || i + 1 >= tokens_.size() || !is_digit(tokens_[i + 1].text[0])) return false;
    const bool decimals = tokens_[i].text == ".";
    const bool thousands = tokens_[i].text == "," && tokens_[i + 1].text.size() == 3;
    const bool ratio = tokens_[i].text == ":" && in_formula_;
    return (decimals || thousands || ratio) && join(i + 2, false);
  }

  // Behind the end of the formula too: "$\boxed{5}$ thousand".
  void scale() {
    std::size_t i = end_;
    while (i < tokens_.size() && (tokens_[i].role == Role::kSpace || tokens_[i].role == Role::kEnd))
      ++i;
    if (i >= tokens_.size() || !is_scale(text_inside(tokens_[i]))) return;
    scale_word_ = text_inside(tokens_[i]);
    scale_begin_ = end_;
    end_ = i + 1;
    joined_ = true;
  }

  const std::vector<BoxToken>& tokens_;
  const Left& left_;
  const std::vector<BoxToken>& before_;
  bool in_formula_;
  std::size_t end_ = 0;
  std::size_t closed_ = 0;
  bool joined_ = false;
  bool wants_operand_ = false;
  std::string_view scale_word_;
  std::size_t scale_begin_ = 0;
};

// "n \\ge ": a name and a relation that its bound satisfies too.
bool is_before_bound(std::string_view prefix) {
  prefix = trimmed(prefix);
  for (const std::string_view sign : {"\\geqslant", "\\leqslant", "\\geq", "\\leq", "\\ge", "\\le",
                                      ">=", "<=", "\u2265", "\u2264"}) {
    if (!ends_with(prefix, sign)) continue;
    const std::string_view name = trimmed(prefix.substr(0, prefix.size() - sign.size()));
    return name.size() == 1 && is_letter(name[0]);
  }
  return false;
}

// The content between what stands beside it, in parentheses unless it is a number or letter alone.
std::string joined_text(const std::string& left, std::string_view content,
                        const std::string& right) {
  content = trimmed(content);
  const bool number =
      std::all_of(content.begin(), content.end(), [](char c) { return is_digit(c) || c == '.'; });
  const bool digits =
      (!left.empty() && is_digit(left.back())) || (!right.empty() && is_digit(right.front()));
  const bool bare = (number && !digits) || (content.size() == 1 && is_letter(content.front()));
  return left + (bare ? std::string(content) : "(" + std::string(content) + ")") + right;
}

}  // namespace

std::optional<BoxFormula> formula_around(std::string_view text, std::size_t begin, std::size_t end,
                                         std::string_view content) {
  // "\boxed{\text{(B)}} 3x" is no product.
  if (unwrapped(content).data() != trimmed(content).data()) return std::nullopt;
  const std::size_t line = text.substr(0, begin).rfind('\n');
  const std::size_t line_begin = std::max(line == std::string_view::npos ? 0 : line + 1,
                                          begin > kMaxSide ? begin - kMaxSide : 0);
  const std::size_t line_end = std::min({text.find('\n', end), end + kMaxSide, text.size()});
  const std::vector<BoxToken> before = tokens_beside_box(text, line_begin, begin);
  const std::vector<BoxToken> after = tokens_beside_box(text, end, line_end);
  const bool in_formula = is_in_formula(before);
  const Left left(before, in_formula);
  const Right right(after, left, before, in_formula);
  std::size_t start = left.start();
  bool joined = left.joined();
  if (right.closed() < left.openers().size()) {
    const Opener& unclosed = left.openers()[right.closed()];
    start = unclosed.token + 1;
    joined = unclosed.joined;
  }
  if (!joined && !right.joined()) return std::nullopt;
  std::string prefix;
  for (std::size_t i = start; i < before.size(); ++i) {
    const std::string_view each = before[i].text;
    if (!left.is_dropped(i) && each != "\\boxed" && each != "\\fbox") prefix += each;
  }
  BoxFormula formula;
  formula.end = right.end() == 0 ? end : after[right.end() - 1].begin;
  if (right.end() != 0) formula.end += after[right.end() - 1].text.size();
  // "\boxed{5} squared", "-\boxed{x = 5}"
  const bool worded =
      !right.scale_word().empty() && !has_sense(lower_case(right.scale_word()), kScales);
  if (worded || content.find('=') != std::string_view::npos) return formula;
  formula.is_bound = right.text().empty() && is_before_bound(prefix);
  formula.text =
      std::string(trimmed(joined_text(std::string(trimmed(prefix)), content, right.text())));
  return formula;
}

}  // namespace urpo::answers
