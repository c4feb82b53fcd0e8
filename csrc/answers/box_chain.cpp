#include "box_chain.hpp"

#include <algorithm>
#include <vector>

#include "approximation.hpp"
#include "box_tokens.hpp"
#include "characters.hpp"
#include "equivalence.hpp"
#include "notation.hpp"
#include "parser.hpp"
#include "rewriting.hpp"

namespace urpo::answers {
namespace {

constexpr std::size_t kMaxBehind = 400;  // bytes of a line that are looked at
constexpr int kMaxSides = 4;

bool is_relation(const BoxToken& token) {
  if (token.role != Role::kBoundary) return false;
  for (const std::string_view sign :
       {"=", "=>", "->", "\\approx", "\\to", "\\rightarrow", "\\Rightarrow", "\\implies",
        "\\longrightarrow", "\\Longrightarrow", "\\simeq", "\u2248", "\u2192", "\u21d2"}) {
    if (token.text == sign) return true;
  }
  return false;
}

// What belongs to a number although it ends formulas elsewhere: "1,000", "75\%", "5\text{ cm}".
bool continues_side(const std::vector<BoxToken>& tokens, std::size_t i) {
  const std::string_view text = tokens[i].text;
  if (text == "%" || text == "\\%" || text == "\\$") return true;
  const bool digits = i + 1 < tokens.size() && is_digit(tokens[i + 1].text[0]);
  if (text == "," && digits) return tokens[i + 1].text.size() == 3;
  return tokens[i].is_command && text.find('{') != std::string_view::npos;
}

// "$\\boxed{5}, x \\ne 2$"
bool is_condition(const BoxToken& token) {
  if (token.role != Role::kOperator) return false;
  for (const std::string_view sign :
       {"<", ">", "<=", ">=", "!=", "\\ne", "\\neq", "\\le", "\\leq", "\\ge", "\\geq", "\\lt",
        "\\gt", "\u2260", "\u2264", "\u2265"}) {
    if (token.text == sign) return true;
  }
  return false;
}

std::vector<BoxToken> tokens_behind(std::string_view text, std::size_t end) {
  return tokens_beside_box(text, end,
                           std::min({text.find('\n', end), end + kMaxBehind, text.size()}));
}

// Whether a side is the number in the box: another value, where it is a number at all, contradicts
// it. An integer is never rounded to another one.
enum class Side { kSame, kOther, kNoNumber };

Side read_side(const std::string& side, const std::string& content) {
  if (equivalent(side, content) == Verdict::kYes || equivalent(content, side) == Verdict::kYes)
    return Side::kSame;
  try {
    const NodePtr boxed = parse(in_common_notation(normalized(content)));
    const NodePtr other = parse(in_common_notation(normalized(side)));
    const auto rounded = may_round_to(*boxed, *other);
    if (!rounded) return Side::kNoNumber;
    const bool decimal = boxed->kind == Kind::kNumber && boxed->decimals > 0;
    const bool integer = boxed->kind == Kind::kNumber && boxed->value.is_integer();
    if (integer) return may_equal(*boxed, *other) ? Side::kSame : Side::kOther;
    const bool near = *rounded || (decimal && may_round_to(*other, *boxed).value_or(true));
    return near ? Side::kSame : Side::kOther;
  } catch (const Unsupported&) {
    return Side::kNoNumber;
  } catch (const LimitExceeded&) {
    return Side::kNoNumber;
  }
}

}  // namespace

bool leads_elsewhere(std::string_view content, std::string_view text, std::size_t end) {
  const std::vector<BoxToken> tokens = tokens_behind(text, end);
  const std::string value(content.substr(content.rfind('=') + 1));
  std::size_t i = 0;
  const auto skip = [&] {
    while (i < tokens.size() && (tokens[i].role == Role::kSpace || tokens[i].role == Role::kEnd))
      ++i;
  };
  for (int sides = 0; sides < kMaxSides; ++sides) {
    skip();
    if (i >= tokens.size() || !is_relation(tokens[i])) return false;
    ++i;
    skip();
    std::string side;
    for (; i < tokens.size() && tokens[i].role != Role::kEnd; ++i) {
      if (tokens[i].role == Role::kBoundary && !continues_side(tokens, i)) break;
      side += tokens[i].text;
    }
    if (trimmed(side).empty()) return false;
    const Side read = read_side(side, value);
    if (read != Side::kSame) return read == Side::kOther;
  }
  return false;
}

std::string listed_behind(std::string_view text, std::size_t begin, std::size_t end) {
  const std::size_t line = text.substr(0, begin).rfind('\n');
  const std::size_t from = std::max(line == std::string_view::npos ? 0 : line + 1,
                                    begin > kMaxBehind ? begin - kMaxBehind : 0);
  if (!is_in_formula(tokens_beside_box(text, from, begin))) return {};
  std::string values;
  bool number = false;
  bool lists = false;
  for (const BoxToken& token : tokens_behind(text, end)) {
    if (token.role == Role::kEnd) return lists && number ? values : std::string();
    const bool comma = token.text == "," || token.text == ";";
    if ((token.role == Role::kBoundary && !comma) || is_condition(token)) return {};
    if (!lists && token.role != Role::kSpace && !comma) return {};
    lists = lists || comma;
    number = number || is_digit(token.text[0]);
    values += token.text;
  }
  return {};
}

}  // namespace urpo::answers
