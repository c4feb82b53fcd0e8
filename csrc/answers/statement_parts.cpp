#include "statement_parts.hpp"

#include "characters.hpp"
#include "prose.hpp"
#include "units.hpp"

namespace urpo::answers {
namespace {

using Kind = Piece::Kind;

}  // namespace

std::string_view without_markup(std::string_view text) {
  while (!text.empty() && (is_space(text.front()) || text.front() == '*' || text.front() == '_' ||
                           text.front() == ':' || text.front() == '"' || text.front() == '#')) {
    text.remove_prefix(1);
  }
  return text;
}

std::string_view without_end(std::string_view text) {
  text = trimmed(text);
  while (!text.empty() && std::string_view("*\".,!_").find(text.back()) != std::string_view::npos) {
    if (text.back() == '!' && text.size() > 1 &&
        (is_digit(text[text.size() - 2]) || text[text.size() - 2] == ')'))
      break;
    text = trimmed(text.substr(0, text.size() - 1));
  }
  for (const std::string_view polite : {"\u3067\u3059", "\uc785\ub2c8\ub2e4", "\uc774\ub2e4"}) {
    if (text.size() > polite.size() && text.substr(text.size() - polite.size()) == polite)
      return without_end(text.substr(0, text.size() - polite.size()));
  }
  return text;
}

std::string_view text_of(std::string_view sentence, const Clause& clause) {
  if (clause.begin >= clause.end) return {};
  const std::size_t begin = clause[clause.begin].begin;
  return sentence.substr(begin, clause[clause.end - 1].end - begin);
}

Clause only_bold(const Clause& clause) {
  std::size_t open = clause.end;
  std::size_t close = clause.end;
  int marks = 0;
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (clause[i].kind != Kind::kBold) continue;
    (marks++ == 0 ? open : close) = i;
  }
  if (marks != 2 || close < open + 2) return clause;
  if (clause.is_sign(close - 1, ':') || clause.is_sign(close + 1, ':')) return clause;
  // Type in the middle of a number or formula.
  for (const std::size_t mark : {open, close}) {
    const bool attached = mark > clause.begin && mark + 1 < clause.end &&
                          clause[mark - 1].end == clause[mark].begin &&
                          clause[mark].end == clause[mark + 1].begin;
    if (attached) return clause;
  }
  return clause.part(open + 1, close);
}

void add_value(std::string_view sentence, const Clause& clause, Statement& statement) {
  const auto value = sole_value(clause);
  if (!value) return;
  statement.value = value->text;
  std::size_t end = clause[value->piece].end;
  if (statement.value.back() != '%') statement.unit = leading_unit(sentence.substr(end, kMaxUnit));
  if (!value->currency.empty()) statement.unit = value->currency;
}

}  // namespace urpo::answers
