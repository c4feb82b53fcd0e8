#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "characters.hpp"
#include "clauses.hpp"
#include "lexicon.hpp"
#include "pieces.hpp"
#include "prose.hpp"
#include "statement.hpp"
#include "statement_parts.hpp"

namespace urpo::answers {
namespace {

using Kind = Piece::Kind;

// "option E", "(B)", "**B**"
bool is_choice(const Clause& clause) {
  std::size_t letters = 0;
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (clause[i].is_letter) {
      ++letters;
    } else if (!clause.is_word(i, "option") && !clause.is_word(i, "choice") &&
               !clause.is_word(i, "the") && !clause.is_sign(i, '(') && !clause.is_sign(i, ')') &&
               clause[i].kind != Kind::kBold && !clause.is_sign(i, '.') &&
               !clause.is_sign(i, '"')) {
      return false;
    }
  }
  return letters == 1;
}

// A few words, as an answer may consist of.
bool is_name(const Clause& clause) {
  if (clause.end - clause.begin > 4) return false;
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (clause[i].kind != Kind::kWord) return false;
  }
  return clause.begin < clause.end;
}

// "The answer has 12 digits" says no answer.
bool is_about_answer(const Clause& clause) {
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (clause.is_word(i, "answer") || clause.is_word(i, "answers") ||
        clause.is_word(i, "answer's"))
      return true;
  }
  return false;
}

bool is_formula_given(const Clause& clause) {
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (clause[i].kind == Kind::kFormula) return !clause.is_word(clause.begin, "let");
  }
  return false;
}

// "We are given that x is 12", "Given: 12"
bool is_given(const Clause& clause) {
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (clause.is_word(i, "given") && (clause.is_word(i + 1, "that") || clause.is_sign(i + 1, ':')))
      return true;
  }
  return false;
}

// "That gives 12, which is wrong", "12 is too large", "it may also be 13".
bool is_rejection(const Clause& sentence) {
  for (std::size_t i = sentence.begin; i < sentence.end; ++i) {
    if (sentence.has_sense(i, kRejects) || sentence.is_word(i, "alternatively")) return true;
    if (sentence.is_word(i, "also") &&
        (sentence.is_word(i + 1, "be") || sentence.is_word(i + 1, "possible")))
      return true;
    if (!sentence.is_word(i, "too")) continue;
    for (const std::string_view much : {"large", "small", "big", "many", "few", "high", "low",
                                        "much", "little", "long", "short", "great"}) {
      if (sentence.is_word(i + 1, much)) return true;
    }
  }
  return false;
}

// Whether a clause names the letter of a choice outside of its part.
bool names_others(const Clause& clause, const Clause& part) {
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (clause[i].is_letter && (i < part.begin || i >= part.end)) return true;
  }
  return false;
}

// "It could be 12": whether the verb before `said` is uncertain.
bool is_uncertain(const Clause& clause, std::size_t said) {
  if (said < clause.begin + 2) return false;
  for (const std::string_view word : {"can", "perhaps", "possibly", "likely", "cannot", "given"}) {
    if (clause.is_word(said - 2, word)) return true;
  }
  return clause.has_sense(said - 2, kModal) || is_given(clause);
}

// A last sentence, and the part of it that states something.
struct Sentence {
  std::string_view text;
  Clause whole;
  Clause asserted;             // without what it denies
  std::size_t conclusion = 0;  // where what it concludes begins
  Clause clause;               // what it concludes, without remarks
  Clause bold;                 // the only bold words of that, if they are marked
  std::size_t said = 0;        // behind the clause's last verb; its end without any
  int verbs = 0;
  bool concludes = false;

  bool is_marked() const { return bold.begin != clause.begin || bold.end != clause.end; }
};

Reading take(const Sentence& sentence, const Clause& part, Statement& statement) {
  statement.text = std::string(without_end(without_markup(text_of(sentence.text, part))));
  return statement.text.empty() ? Reading::kNothing : Reading::kStated;
}

// None of them answers for what comes after it: the first that says something decides.
using Rule = std::optional<Reading> (*)(const Sentence&, Statement&);

std::optional<Reading> supposition(const Sentence& sentence, Statement&) {
  for (std::size_t i = 0; i < sentence.conclusion; ++i) {
    if (sentence.whole.has_sense(i, kSupposes)) return Reading::kRefused;
  }
  // "Let the answer be 5", "it would be 5 if x were 2"
  if (sentence.whole.is_word(0, "let") && !sentence.concludes &&
      sentence.said < sentence.clause.end)
    return Reading::kRefused;
  bool would = false;
  for (std::size_t i = 0; i < sentence.whole.end; ++i) {
    would = would || sentence.whole.is_word(i, "would");
    if (would && sentence.whole.is_word(i, "if")) return Reading::kRefused;
  }
  return std::nullopt;
}

// "C: 14" is one of several.
std::optional<Reading> item_of_a_list(const Sentence& sentence, Statement&) {
  const Clause& clause = sentence.clause;
  const bool is_item = clause.is_sign(clause.begin + 1, ':') && clause[clause.begin].is_letter;
  if (is_item && has_value(clause)) return Reading::kRefused;
  return std::nullopt;
}

std::optional<Reading> denial(const Sentence& sentence, Statement&) {
  const Clause& clause = sentence.clause;
  // "Half of 60 is 30"
  const Clause object = clause.part(sentence.said, clause.end);
  const bool computes = sentence.verbs == 1 && has_value(object);
  if (has_denial(clause) || is_modified(computes ? object : clause)) return Reading::kRefused;
  // What announces an answer for sure has been read already: "twice the answer is 5".
  if (sentence.said < clause.end && is_about_answer(clause.part(clause.begin, sentence.said)))
    return Reading::kRefused;
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    const std::string_view before = i > clause.begin ? clause[i - 1].content : std::string_view();
    if (is_opinion_of_others(clause[i].content, before)) return Reading::kRefused;
  }
  if (sentence.said < clause.end && is_uncertain(clause, sentence.said)) return Reading::kRefused;
  return std::nullopt;
}

std::optional<Reading> bold_words(const Sentence& sentence, Statement& statement) {
  if (!sentence.is_marked()) return std::nullopt;
  const Clause& clause = sentence.clause;
  if (is_choice(sentence.bold) && names_others(clause, sentence.bold)) return Reading::kRefused;
  const std::size_t said = sentence.said < clause.end ? sentence.said : clause.begin;
  const bool reserved = has_reservation(clause.part(said, clause.end));
  add_value(sentence.text, reserved ? clause : sentence.bold, statement);
  return take(sentence, sentence.bold, statement);
}

std::optional<Reading> predicate(const Sentence& sentence, Statement& statement) {
  const Clause& clause = sentence.clause;
  if (sentence.said >= clause.end || !(sentence.concludes || sentence.verbs == 1))
    return std::nullopt;
  const Clause phrase = without_remarks(clause.part(sentence.said, clause.end), Scope::kPredicate);
  if (has_value(phrase)) {
    add_value(sentence.text, phrase, statement);
    return take(sentence, phrase, statement);
  }
  // "36 is the answer"
  add_value(sentence.text, clause, statement);
  if (!statement.value.empty()) {
    statement.text = statement.value;
    return Reading::kStated;
  }
  if (is_choice(phrase) || (sentence.concludes && is_name(phrase)))
    return take(sentence, phrase, statement);
  return std::nullopt;
}

// "So B."
std::optional<Reading> concluded_choice(const Sentence& sentence, Statement& statement) {
  if (!sentence.concludes || !is_choice(sentence.clause)) return std::nullopt;
  return take(sentence, sentence.clause, statement);
}

// "option (C), 5"
std::optional<Reading> choice_with_content(const Sentence& sentence, Statement& statement) {
  Clause clause = sentence.clause;
  if (clause.is_word(clause.begin, "option") || clause.is_word(clause.begin, "choice"))
    ++clause.begin;
  const std::size_t i = clause.begin;
  const bool marked = clause.is_sign(i, '(') && i + 3 < clause.end && clause[i + 1].is_letter &&
                      clause.is_sign(i + 2, ')');
  if (!marked || names_others(clause, clause.part(i, i + 3))) return std::nullopt;
  add_value(sentence.text, clause.part(i + 3, clause.end), statement);
  return take(sentence, clause, statement);
}

// "Option B is correct", "(C) is the right answer"
std::optional<Reading> approved_choice(const Sentence& sentence, Statement& statement) {
  const Clause& clause = sentence.clause;
  std::size_t letter = clause.begin;
  while (letter < clause.end && !clause[letter].is_letter) ++letter;
  std::size_t after = letter + 1;
  while (clause.is_sign(after, ')') || (after < clause.end && clause[after].kind == Kind::kBold))
    ++after;
  if (after >= clause.end || !is_choice(clause.part(clause.begin, after))) return std::nullopt;
  if (!clause.is_word(after, "is") || !is_approved(clause, after)) return std::nullopt;
  if (names_others(sentence.whole, clause.part(clause.begin, after))) return Reading::kRefused;
  return take(sentence, clause.part(clause.begin, after), statement);
}

// "Yes, because 7 is prime"
std::optional<Reading> reasoned_verdict(const Sentence& sentence, Statement& statement) {
  const std::string_view verdict = leading_verdict(sentence.text);
  if (verdict.empty() || !sentence.whole.is_sign(1, ',')) return std::nullopt;
  for (const std::string_view word : {"because", "since", "as"}) {
    if (!sentence.whole.is_word(2, word)) continue;
    statement.text = std::string(verdict);
    return Reading::kStated;
  }
  return std::nullopt;
}

// "Thus, $r = 3$ and $s = 4$"; "$a = b + c = 3$" is a step of a calculation.
std::optional<Reading> concluded_formulas(const Sentence& sentence, Statement& statement) {
  const Clause& clause = sentence.clause;
  std::size_t formulas = 0;
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    const bool joins =
        clause.is_word(i, "and") || clause.is_word(i, "or") || clause.is_sign(i, ',');
    if (joins) continue;
    if (clause[i].kind != Kind::kFormula) return std::nullopt;
    const std::string& formula = clause[i].content;
    if (std::count(formula.begin(), formula.end(), '=') > 1) return std::nullopt;
    ++formulas;
  }
  if (!sentence.concludes || formulas < 2) return std::nullopt;
  return take(sentence, clause, statement);
}

// "the equation has no solution"
std::optional<Reading> none_at_all(const Sentence& sentence, Statement& statement) {
  const Clause& clause = sentence.clause;
  for (std::size_t i = clause.begin; i + 1 < clause.end; ++i) {
    const bool has = clause.is_word(i, "has") || clause.is_word(i, "have");
    const Clause object = clause.part(i + 1, clause.end);
    if (has && clause.is_word(i + 1, "no") && is_name(object))
      return take(sentence, object, statement);
  }
  return std::nullopt;
}

std::optional<Reading> only_value(const Sentence& sentence, Statement& statement) {
  const Clause& clause = sentence.clause;
  if (sentence.said >= clause.end && is_about_answer(clause)) return Reading::kRefused;
  add_value(sentence.text, clause, statement);
  // "Then 42 remain" is a step on the way; "Then 40 + 2 = 42 remain" may be the last.
  const bool is_step = sentence.whole.has_sense(sentence.whole.begin, kStep);
  if (is_step && !sentence.concludes && !is_computed(clause))
    return is_formula_given(clause) ? Reading::kNothing : Reading::kRefused;
  if (statement.value.empty()) return Reading::kNothing;
  statement.text = statement.value;
  return Reading::kStated;
}

constexpr std::array<Rule, 12> kRules = {
    reasoned_verdict,    supposition,        item_of_a_list, denial,
    choice_with_content, approved_choice,    bold_words,     predicate,
    concluded_choice,    concluded_formulas, none_at_all,    only_value};

}  // namespace

Reading read_sentence(std::string_view text, Statement& statement) {
  Sentence sentence;
  sentence.text = trimmed(text);
  if (!sentence.text.empty() && sentence.text.back() == '?') return Reading::kRefused;
  const std::vector<Piece> pieces = pieces_of(sentence.text);
  sentence.whole = {&pieces, 0, pieces.size()};
  if (is_rejection(sentence.whole)) return Reading::kRefused;
  sentence.asserted = assertion(sentence.whole);
  const auto concluded = conclusion(sentence.asserted);
  if (!concluded) return Reading::kRefused;
  sentence.conclusion = concluded->begin;
  sentence.concludes = concludes(sentence.whole);
  sentence.clause =
      without_remarks(*concluded, sentence.concludes ? Scope::kConclusion : Scope::kSentence);
  sentence.bold = only_bold(sentence.clause);
  sentence.said = after_last_verb(sentence.clause, sentence.verbs);
  if (sentence.said == sentence.clause.end && sentence.asserted.begin != 0) {
    sentence.said = sentence.clause.begin;
    sentence.verbs = 1;
  }
  const Clause& clause = sentence.clause;
  if (clause.begin < clause.end) statement.after = sentence.text.substr(clause[clause.end - 1].end);
  for (const Rule rule : kRules) {
    if (const auto reading = rule(sentence, statement)) return *reading;
  }
  return Reading::kNothing;
}

}  // namespace urpo::answers
