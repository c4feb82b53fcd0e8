#include "tokens.hpp"

#include <algorithm>
#include <utility>

#include "characters.hpp"
#include "chinese_units.hpp"
#include "names.hpp"
#include "repeating_decimals.hpp"

namespace urpo::answers {
namespace {

class Tokenizer {
 public:
  Tokenizer(std::string_view text, Commas commas) : text_(text), commas_(commas) {}

  std::vector<Token> run() {
    read_until(text_.size(), false);
    push({});
    return std::move(tokens_);
  }

 private:
  void push(Token token) {
    if (tokens_.size() >= kMaxTokens) throw LimitExceeded("an answer has too many tokens");
    token.spaced = spaced_;
    spaced_ = false;
    tokens_.push_back(std::move(token));
  }
  void push(Token::Type type, std::string_view text, bool in_text) {
    Token token;
    token.type = type;
    token.text = std::string(text);
    token.in_text = in_text;
    push(std::move(token));
  }

  void read_until(std::size_t end, bool in_text) {
    while (at_ < end) {
      const char c = text_[at_];
      if (is_space(c)) {
        spaced_ = true;
        ++at_;
      } else if (is_digit(c) || (c == '.' && at_ + 1 < end && is_digit(text_[at_ + 1]))) {
        read_number(end);
      } else if (is_letter(c)) {
        read_letters(end, in_text);
      } else if (is_high(c)) {
        read_foreign_word(end);
      } else if (c == '\\') {
        read_command(end, in_text);
      } else {
        read_symbol(end, in_text);
      }
    }
  }

  // Three digits, and not four, stand at `at`.
  bool group_at(std::size_t at, std::size_t end) const {
    for (std::size_t i = 0; i < 3; ++i) {
      if (at + i >= end || !is_digit(text_[at + i])) return false;
    }
    return at + 3 >= end || !is_digit(text_[at + 3]);
  }

  bool groups_digits(char separator, std::size_t first_digits) const {
    if (separator == kGroupComma) return true;
    if (first_digits > 3) return false;
    if (separator == ',') return commas_ == Commas::kGroupDigits && depth_ == 0;
    return is_space(separator);
  }

  void read_number(std::size_t end) {
    Token token;
    token.type = Token::Type::kNumber;
    std::string digits;
    const std::size_t begin = at_;
    while (at_ < end && is_digit(text_[at_])) digits += text_[at_++];
    const std::size_t first = digits.size();
    const char separator = at_ < end ? text_[at_] : 0;
    const bool leading_zero = first > 0 && text_[begin] == '0';
    if (first > 0 && !leading_zero && groups_digits(separator, first)) {
      while (at_ < end && text_[at_] == separator && group_at(at_ + 1, end)) {
        token.grouped_by_comma = token.grouped_by_comma || separator == ',';
        digits.append(text_.substr(at_ + 1, 3));
        at_ += 4;
      }
    }
    if (!leading_zero && first > 0 && first <= 3) read_dotted_groups(digits, end);
    if (at_ + 1 < end && text_[at_] == '.' && is_digit(text_[at_ + 1])) {
      token.decimals = 0;
      for (++at_; at_ < end && is_digit(text_[at_]); ++at_, ++token.decimals) digits += text_[at_];
    }
    token.text = std::string(text_.substr(begin, at_ - begin));
    if (digits.size() > 20000) throw LimitExceeded("a number has too many digits");
    token.value = Rational(BigInt::from_decimal(digits));
    if (token.decimals > 0) {
      token.value = token.value /
                    Rational(urpo::answers::power(10, static_cast<std::uint64_t>(token.decimals)));
    }
    read_repeating(token, end);
    read_exponent(token, end);
    push(std::move(token));
  }

  // "1.000.000": two groups at least, since one may be decimals.
  void read_dotted_groups(std::string& digits, std::size_t end) {
    std::size_t groups = 0;
    std::size_t at = at_;
    for (; at < end && text_[at] == '.' && group_at(at + 1, end); at += 4) ++groups;
    const bool goes_on = at + 1 < end && text_[at] == '.' && is_digit(text_[at + 1]);
    if (groups < 2 || goes_on) return;
    for (; at_ < at; at_ += 4) digits.append(text_.substr(at_ + 1, 3));
  }

  // "0.1\overline{6}", "0.(3)", "0.1666...". "0.1(6)" may be a product.
  void read_repeating(Token& token, std::size_t end) {
    std::size_t at = at_;
    if (token.decimals > 0) {
      const std::size_t past = end_of_ellipsis(text_.substr(0, end), at);
      const std::string_view block =
          past == at ? std::string_view() : shown_period(token.text, token.decimals);
      if (!block.empty()) {
        token.value = token.value + repeated_behind(block, token.decimals);
        token.decimals = -1;
        at_ = past;
        return;
      }
    }
    int decimals = token.decimals;
    if (decimals < 0) {
      if (at >= end || text_[at] != '.') return;
      ++at;
      decimals = 0;
    }
    for (const std::string_view open : {"\\overline{", "\\bar{", "\\dot{", "("}) {
      if (text_.compare(at, open.size(), open) != 0 || (open == "(" && decimals > 0)) continue;
      std::size_t close = at + open.size();
      while (close < end && is_digit(text_[close])) ++close;
      const std::size_t length = close - at - open.size();
      if (length == 0 || length > 100 || close >= end || text_[close] != (open == "(" ? ')' : '}'))
        return;
      at_ = close + 1;
      token.value = token.value + repeated_behind(text_.substr(at + open.size(), length), decimals);
      token.decimals = -1;
      return;
    }
  }

  // "1.5e-3", not "2e": e is also a constant.
  void read_exponent(Token& token, std::size_t end) {
    if (at_ + 1 >= end || (text_[at_] != 'e' && text_[at_] != 'E')) return;
    std::size_t at = at_ + 1;
    const bool negative = text_[at] == '-';
    if (negative || text_[at] == '+') ++at;
    std::size_t digits = 0;
    std::uint64_t exponent = 0;
    for (; at < end && is_digit(text_[at]) && digits < 5; ++at, ++digits) {
      exponent = exponent * 10 + static_cast<std::uint64_t>(text_[at] - '0');
    }
    if (digits == 0 || (at < end && (is_digit(text_[at]) || is_letter(text_[at])))) return;
    if (exponent > 5000) throw LimitExceeded("an exponent is too large");
    const Rational scale(urpo::answers::power(10, exponent));
    token.value = negative ? token.value / scale : token.value * scale;
    token.decimals = -1;
    at_ = at;
  }

  void read_letters(std::size_t end, bool in_text) {
    const std::size_t begin = at_;
    while (at_ < end && is_letter(text_[at_])) ++at_;
    const std::string_view run = text_.substr(begin, at_ - begin);
    // "5kN" may be a product of letters.
    const bool product =
        run.size() == 2 && (run == "Pa" || (run[0] == 'k' && run[1] != lower(run[1])));
    const bool after_number =
        !product && !tokens_.empty() && tokens_.back().type == Token::Type::kNumber;
    if (run.size() == 1) {
      push(Token::Type::kLetter, run, in_text);
    } else if (run == "pct") {
      push(Token::Type::kWord, run, in_text);
    } else if (run == "and" || run == "or" || run == "AND" || run == "OR") {
      push(Token::Type::kWord, run.size() == 2 ? "or" : "and", in_text);
    } else if (find_unit(run) &&
               (in_text || after_number || (run.size() > 2 && !is_function_name(run)))) {
      push(Token::Type::kWord, run, in_text);
    } else if (run == "sqrt") {
      push(Token::Type::kCommand, "plain sqrt", in_text);
    } else if (is_function_name(run)) {
      push(Token::Type::kCommand, command_meaning(run), in_text);
    } else if (in_text || run.size() > 3) {
      push(Token::Type::kWord, run, in_text);
    } else {
      for (std::size_t i = 0; i < run.size(); ++i)
        push(Token::Type::kLetter, run.substr(i, 1), in_text);
    }
  }

  void read_foreign_word(std::size_t end) {
    const std::size_t begin = at_;
    std::size_t length = 0;
    const auto joint = chinese_connective(text_.substr(begin, end - begin), length);
    at_ += joint.empty() ? 0 : length;
    if (!joint.empty()) return push(Token::Type::kWord, joint, true);
    while (at_ < end && (is_letter(text_[at_]) || is_high(text_[at_]))) ++at_;
    const std::string_view run = text_.substr(begin, at_ - begin);
    const std::string_view currency = currency_of_sign(run);
    push(Token::Type::kWord, currency.empty() ? run : currency, true);
  }

  void read_symbol(std::size_t end, bool in_text) {
    const char c = text_[at_++];
    const char next = at_ < end ? text_[at_] : 0;
    if (c == '{' || c == '}' || c == '"') {
      // Groups stay tokens: "\frac{1}{2}", "x^{10}".
      if (c != '"') push(Token::Type::kChar, std::string_view(&c, 1), in_text);
    } else if ((c == '<' || c == '>' || c == '!') && next == '=') {
      ++at_;
      push(Token::Type::kCommand, c == '<' ? "<=" : c == '>' ? ">=" : "!=", in_text);
    } else if (c == '*' && next == '*') {
      ++at_;
      push(Token::Type::kChar, "^", in_text);
    } else if (c == '+' && next == '/' && at_ + 1 < end && text_[at_ + 1] == '-') {
      at_ += 2;
      push(Token::Type::kCommand, "pm", in_text);
    } else if (c == '+' && next == '-') {
      // "+-5" is a sign after a sign and reads the same either way.
      push(Token::Type::kChar, "+", in_text);
    } else {
      if (c == '.' && ends_sentence(end)) return;
      if (c == kGroupComma) throw Unsupported("a digit separator outside of a number");
      if (c == '(' || c == '[') ++depth_;
      if (c == ')' || c == ']') depth_ -= depth_ > 0 ? 1 : 0;
      push(Token::Type::kChar, std::string_view(&c, 1), in_text);
    }
  }

  // A full stop behind a formula, before what cannot belong to a number.
  bool ends_sentence(std::size_t end) const {
    if (tokens_.empty() || tokens_.back().type == Token::Type::kWord) return false;
    const char next = at_ < end ? text_[at_] : ' ';
    return is_space(next) || next == ',' || next == ';' || next == ')' || next == ']' ||
           next == '}' || next == '\\';
  }

  void read_command(std::size_t end, bool in_text) {
    ++at_;
    if (at_ >= end) throw Unsupported("a backslash at the end");
    if (!is_letter(text_[at_])) return read_escaped(in_text);
    const std::size_t begin = at_;
    while (at_ < end && is_letter(text_[at_])) ++at_;
    // "\quadx": a space that ran into what follows.
    if (text_.compare(begin, 4, "quad") == 0 && at_ - begin > 4) at_ = begin + 4;
    const std::string_view name = text_.substr(begin, at_ - begin);
    if (at_ < end && text_[at_] == '*') ++at_;
    if (is_text_command(name) && skip_to('{', end)) return read_text_argument(name, end, in_text);
    if (name == "begin" || name == "end") return read_environment(name, end);
    if (name == "mathbb" || name == "Bbb") return read_blackboard(end);
    if (name == "left" || name == "right") drop_empty_delimiter(end);
    const std::string_view meaning = command_meaning(name);
    if (meaning.empty()) {
      if (name == "hspace" || name == "phantom") throw Unsupported("space of a given size");
      spaced_ = true;
    } else if (meaning == "and" || meaning == "or") {
      push(Token::Type::kWord, meaning, in_text);
    } else if (meaning.size() == 1) {
      push(Token::Type::kChar, meaning, in_text);
    } else if (is_greek_letter(meaning)) {
      push(Token::Type::kLetter, meaning, in_text);
    } else if (is_function_name(meaning) || is_meaningful_command(meaning) || meaning[1] == '=') {
      push(Token::Type::kCommand, meaning, in_text);
    } else {
      throw Unsupported("a command without a meaning here");
    }
  }

  void read_escaped(bool in_text) {
    const char c = text_[at_++];
    switch (c) {
      case '{':
        ++depth_;
        return push(Token::Type::kCommand, "lbrace", in_text);
      case '}':
        depth_ -= depth_ > 0 ? 1 : 0;
        return push(Token::Type::kCommand, "rbrace", in_text);
      case '\\':
        skip_height();
        return push(Token::Type::kCommand, "newline", in_text);
      case '%':
      case '|':
      case '#':
      case '_':
      case '&':
        return push(Token::Type::kChar, std::string_view(&c, 1), in_text);
      case '$':
        return push(Token::Type::kCommand, "currency", in_text);
      default:
        throw Unsupported("an escaped character without a meaning here");
    }
  }

  // "\\[4pt]"
  void skip_height() {
    if (at_ >= text_.size() || text_[at_] != '[') return;
    const std::size_t close = text_.find(']', at_);
    if (close == std::string_view::npos || close - at_ > 10 || !is_digit(text_[at_ + 1]) ||
        !is_letter(text_[close - 1]))
      throw Unsupported("a line break with a height");
    at_ = close + 1;
  }

  bool skip_to(char c, std::size_t end) {
    std::size_t at = at_;
    while (at < end && is_space(text_[at])) ++at;
    if (at >= end || text_[at] != c) return false;
    at_ = at;
    return true;
  }

  void read_text_argument(std::string_view name, std::size_t end, bool in_text) {
    std::size_t depth = 0;
    std::size_t close = at_;
    for (; close < end; ++close) {
      if (text_[close] == '\\') {
        ++close;
      } else if (text_[close] == '{') {
        ++depth;
      } else if (text_[close] == '}' && --depth == 0) {
        break;
      }
    }
    if (close >= end) throw Unsupported("an open text command");
    if (++text_depth_ > 20) throw LimitExceeded("text commands are nested too deeply");
    ++at_;
    spaced_ = true;
    const bool formula =
        name == "mathbf" || name == "boldsymbol" || name == "bm" || name == "operatorname";
    read_until(close, in_text || !formula);
    --text_depth_;
    at_ = close + 1;
    spaced_ = true;
  }

  void read_environment(std::string_view begin_or_end, std::size_t end) {
    if (!skip_to('{', end)) throw Unsupported("an environment without a name");
    const std::size_t close = text_.find('}', at_);
    if (close == std::string_view::npos || close >= end)
      throw Unsupported("an open environment name");
    std::string_view name = text_.substr(at_ + 1, close - at_ - 1);
    if (!name.empty() && name.back() == '*') name.remove_suffix(1);
    if (!is_environment(name)) throw Unsupported("an environment without a meaning here");
    at_ = close + 1;
    if (begin_or_end == "begin" && name == "array" && skip_to('{', end)) {
      const std::size_t columns = text_.find('}', at_);
      if (columns == std::string_view::npos || columns >= end)
        throw Unsupported("an open column list");
      at_ = columns + 1;
    }
    if (begin_or_end == "begin") {
      ++depth_;
    } else {
      depth_ -= depth_ > 0 ? 1 : 0;
    }
    push(Token::Type::kCommand, std::string(begin_or_end) + " " + std::string(name), false);
  }

  void read_blackboard(std::size_t end) {
    std::string_view rest = text_.substr(at_, end - at_);
    for (const std::string_view reals : {"{R}", " R", "{ R }"}) {
      if (rest.compare(0, reals.size(), reals) == 0) {
        at_ += reals.size();
        return push(Token::Type::kCommand, "reals", false);
      }
    }
    throw Unsupported("a set of numbers other than the reals");
  }

  // "\left." and "\right.": a delimiter that is not there.
  void drop_empty_delimiter(std::size_t end) {
    std::size_t at = at_;
    while (at < end && is_space(text_[at])) ++at;
    if (at < end && text_[at] == '.') at_ = at + 1;
  }

  std::string_view text_;
  Commas commas_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;  // of parentheses, brackets and environments: commas in them separate
  int text_depth_ = 0;
  bool spaced_ = false;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view normalized_text, Commas commas) {
  return Tokenizer(normalized_text, commas).run();
}

}  // namespace urpo::answers
