#include "statement.hpp"

#include <vector>

#include "characters.hpp"
#include "clauses.hpp"
#include "pieces.hpp"
#include "prose.hpp"
#include "scan.hpp"
#include "statement_parts.hpp"

namespace urpo::answers {
namespace {

// "therefore just 5": what an announcement's verb may be followed by.
std::string_view without_fillers(std::string_view rest) {
  rest = without_markup(rest);
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view filler :
         {"therefore", "thus", "then", "simply", "just", "clearly", "indeed", "equal to",
          "given by", "also", "the", "option", "choice", "exactly", "precisely"}) {
      if (!starts_with_word(rest, filler)) continue;
      rest = without_markup(rest.substr(filler.size()));
      again = true;
    }
  }
  return rest;
}

// The displayed formula that `rest` begins with, without delimiters; empty if it begins with none.
std::string_view displayed(std::string_view rest) {
  if (!starts_with(rest, "\\[") && !starts_with(rest, "$$")) return {};
  const std::size_t close = rest.find(starts_with(rest, "$$") ? "$$" : "\\]", 2);
  return close == std::string_view::npos ? std::string_view() : trimmed(rest.substr(2, close - 2));
}

// The part of what is announced that says the answer. None where that is denied, or the words
// around its number make another of it.
std::optional<Clause> answering_clause(Clause clause) {
  if (has_denial(clause.part(0, 1))) {
    clause = assertion(clause);
    if (clause.begin == 0) return std::nullopt;
  }
  for (std::size_t i = clause.end; i-- > clause.begin + 1;) {
    if (!clause.is_word(i, "but") || !has_value(clause.part(i, clause.end))) continue;
    if (is_exception(clause, i)) return std::nullopt;
    clause.begin = i + 1;
    break;
  }
  if (offers_otherwise(clause)) return std::nullopt;
  clause = without_remarks(clause, Scope::kPredicate);
  // "Final answer: the largest n is 34"
  int verbs = 0;
  const std::size_t said = after_last_verb(clause, verbs);
  const bool denies = has_denial(clause);
  // "B: 12" is a choice with its content.
  const bool labels = said < clause.end && clause[clause.begin].is_letter &&
                      clause.is_sign(clause.begin + 1, ':') && said == clause.begin + 2;
  if (said < clause.end && !denies && !labels)
    clause = without_remarks(clause.part(said, clause.end), Scope::kPredicate);
  if (clause.begin < clause.end && has_denial(clause.part(clause.begin, clause.begin + 1)))
    return std::nullopt;
  if (!denies) clause = only_bold(clause);
  if (is_modified(clause)) return std::nullopt;
  return clause;
}

}  // namespace

std::optional<Statement> announced_statement(std::string_view raw) {
  // Blank lines between the announcement and the answer do not count.
  raw = without_markup(raw);
  const std::string typed = plain_typed(raw);
  const std::string_view rest = without_fillers(typed);
  Statement statement;
  if (const std::string_view formula = displayed(rest); !formula.empty()) {
    statement.text = std::string(without_end(formula));
    statement.after = typed.substr(formula.data() + formula.size() + 2 - typed.data());
    statement.value = end_of_chain(statement.text);
    return statement;
  }
  const std::size_t end = end_of_sentence(rest);
  if (end < rest.size() && rest[end] == '?') return std::nullopt;
  const std::string_view sentence = without_end(rest.substr(0, end));
  const std::vector<Piece> pieces = pieces_of(sentence);
  const Clause whole{&pieces, 0, pieces.size()};
  if (pieces.empty() || whole.is_sign(0, '~') || whole.is_sign(0, '!')) return std::nullopt;
  // "No, because 7 is prime"
  if (const std::string_view verdict = leading_verdict(sentence); !verdict.empty()) {
    statement.text = std::string(verdict);
    statement.after = typed.substr(sentence.data() + sentence.size() - typed.data());
    return statement;
  }
  const auto answering = answering_clause(whole);
  if (!answering) return std::nullopt;
  const Clause& clause = *answering;
  add_value(sentence, clause, statement);
  statement.text = std::string(without_end(without_markup(text_of(sentence, clause))));
  if (statement.text.empty()) return std::nullopt;
  statement.after = typed.substr(sentence.data() - typed.data() + clause[clause.end - 1].end);
  return statement;
}

}  // namespace urpo::answers
