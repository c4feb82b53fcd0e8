#include "clauses.hpp"

#include <string_view>

#include "characters.hpp"
#include "lexicon.hpp"

namespace urpo::answers {
namespace {

using Kind = Piece::Kind;

bool is_value(const Piece& piece) {
  return piece.kind == Kind::kNumber || piece.kind == Kind::kFormula;
}

// What says the same again from `i` on: its length in pieces, 0 if nothing does.
std::size_t restates_at(const Clause& clause, std::size_t i) {
  for (const std::string_view word : {"i.e", "namely", "giving", "leaving", "making", "meaning"}) {
    if (clause.is_word(i, word)) return 1;
  }
  if (clause.is_word(i, "that") && clause.is_word(i + 1, "is") && i > clause.begin &&
      clause.is_sign(i - 1, ','))
    return 2;
  if (clause.is_word(i, "or") &&
      (clause.is_word(i + 1, "equivalently") || clause.is_word(i + 1, "simply")))
    return 2;
  if (clause.is_word(i, "for") && clause.is_word(i + 1, "a") && clause.is_word(i + 2, "total") &&
      clause.is_word(i + 3, "of"))
    return 4;
  if (clause.is_word(i, "which") && i + 1 < clause.end && clause[i + 1].kind == Kind::kWord &&
      clause[i + 1].content.back() == 's') {
    return 2;
  }
  return 0;
}

// "so that they fit", not "so that means ..."
bool is_so_that(const Clause& clause, std::size_t i) {
  return clause.is_word(i, "so") && clause.is_word(i + 1, "that") &&
         !clause.is_word(i + 2, "means") && !clause.is_word(i + 2, "makes") &&
         !clause.is_word(i + 2, "is");
}

std::size_t next_comma(const Clause& clause, std::size_t from) {
  while (from < clause.end && !clause.is_sign(from, ',')) ++from;
  return from;
}

// Without commas and brackets at its end.
Clause without_loose_end(Clause clause) {
  while (clause.end > clause.begin) {
    const Piece& last = clause[clause.end - 1];
    const bool loose = last.kind == Kind::kSign && (last.content == "," || last.content == ";" ||
                                                    last.content == ":" || last.content == ".");
    const bool joint =
        clause.is_word(clause.end - 1, "and") || clause.is_word(clause.end - 1, "or");
    if (!loose && !joint) break;
    --clause.end;
  }
  return clause;
}

// Whether the parentheses from `open` on contain a remark, and where they close.
bool is_remark(const Clause& clause, std::size_t open, std::size_t& close) {
  bool words = false;
  for (close = open + 1; close < clause.end && !clause.is_sign(close, ')'); ++close) {
    if (clause[close].kind != Kind::kWord) continue;
    const std::string_view word = clause[close].content;
    if (word == "mod" || word == "base" || word == "or" || word == "and") return false;
    words = words || word.size() >= 3;
  }
  return words && open > clause.begin && clause[open].begin > clause[open - 1].end;
}

// Whether a clause before a reason or a restatement answers by itself.
bool answers(Clause clause, Scope scope) {
  if (scope != Scope::kPredicate) {
    int verbs = 0;
    const std::size_t said = after_last_verb(clause, verbs);
    if (said == clause.end && scope == Scope::kSentence) return false;
    if (said < clause.end) clause.begin = said;
  }
  // "12 more than the square's, namely 36"
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (clause.is_word(i, "than")) return false;
  }
  const auto value = sole_value(clause);
  if (!value) return false;
  // "2x = 8" is on the way to it.
  const std::size_t equals = value->text.find('=');
  return equals == std::string::npos ||
         value->text.substr(0, equals).find_first_of("+-*/^0123456789") == std::string::npos;
}

}  // namespace

Clause without_remarks(Clause clause, Scope scope) {
  bool seen = false;
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (is_value(clause[i]) || clause[i].kind == Kind::kBold || clause[i].is_letter) {
      seen = true;
      continue;
    }
    if (i == clause.begin) continue;
    if (const std::size_t length = restates_at(clause, i); length != 0) {
      const Clause before = without_loose_end(clause.part(clause.begin, i));
      if (answers(before, scope)) return before;
      // "the fifteenth term, which is a_15, equals 15"
      const std::size_t comma = next_comma(clause, i);
      if (!seen && comma < clause.end && clause.is_word(i, "which")) {
        clause.begin = comma + 1;
        i = comma;
        continue;
      }
      clause.begin = i + length;
      while (clause.is_sign(clause.begin, '.') || clause.is_sign(clause.begin, ',') ||
             clause.is_sign(clause.begin, ':')) {
        ++clause.begin;
      }
      i = clause.begin - 1;
      seen = false;
      continue;
    }
    const bool comma = clause.is_sign(i - 1, ',');
    const bool instead = (clause.is_word(i, "rather") && clause.is_word(i + 1, "than")) ||
                         (clause.is_word(i, "instead") && clause.is_word(i + 1, "of")) ||
                         (clause.is_word(i, "in") && clause.is_word(i + 1, "which")) ||
                         is_so_that(clause, i) || (comma && clause.is_word(i, "not")) ||
                         (comma && clause.is_word(i, "so"));
    // "is 7 at $x = 2$"
    const bool place = clause.is_word(i, "at") && i + 1 < clause.end &&
                       clause[i + 1].kind == Kind::kFormula && is_value(clause[i - 1]) &&
                       clause[i + 1].content.find('=') != std::string::npos;
    const bool reason =
        clause.has_sense(i, kReason) && (comma || !clause.has_sense(i, kWeakReason) ||
                                         ((clause.is_word(i, "as") || clause.is_word(i, "when")) &&
                                          i > 0 && is_value(clause[i - 1])));
    if (seen && (instead || reason || place)) {
      const Clause before = without_loose_end(clause.part(clause.begin, i));
      // "The boys got 20 eggs, and if each got 2, then 10 came": it goes on.
      const bool goes_on = scope != Scope::kPredicate && reason && has_value(before) &&
                           has_value(clause.part(i, clause.end)) && !answers(before, scope);
      if (!goes_on) return before;
    }
    std::size_t close = 0;
    if (seen && clause.is_sign(i, '(') && is_remark(clause, i, close)) {
      const Clause before = clause.part(clause.begin, i);
      if (close + 1 >= clause.end) return without_loose_end(before);
      i = close;
    }
  }
  return without_loose_end(clause);
}

std::optional<Clause> conclusion(Clause sentence) {
  Clause clause = sentence;
  for (std::size_t i = clause.begin; i + 1 < sentence.end; ++i) {
    const bool starts = i == clause.begin || sentence[i - 1].kind == Kind::kSign ||
                        sentence[i - 1].kind == Kind::kBold || sentence.is_word(i - 1, "and");
    bool pronoun = false;
    for (const std::string_view word : {"he", "she", "they", "we", "it", "there", "that", "you"}) {
      pronoun = pronoun || (sentence.is_word(i, "so") && sentence.is_word(i + 1, word));
    }
    // "for a total of $20 so 20/4 = $5"
    const bool computes =
        sentence.is_word(i, "so") && is_computed(sentence.part(i + 1, sentence.end));
    const bool connects = (starts || pronoun || computes) && sentence.has_sense(i, kConnective) &&
                          !is_so_that(sentence, i) && !sentence.is_word(i + 1, "far");
    const bool contrasts = (sentence.is_word(i, "but") && !is_exception(clause, i)) ||
                           sentence.is_word(i, "however") || sentence.is_sign(i, ';');
    if (!connects && !contrasts) continue;
    const Clause rest = sentence.part(i + 1, sentence.end);
    bool letter = false;
    for (std::size_t j = rest.begin; j < rest.end; ++j) {
      letter = letter || rest[j].kind == Kind::kBold || rest[j].is_letter;
    }
    int verbs = 0;
    after_last_verb(rest, verbs);
    // "12; 13" is a list.
    const bool lists =
        sentence.is_sign(i, ';') && verbs == 0 && has_value(sentence.part(clause.begin, i));
    const bool says = !lists && (has_value(rest) || letter || i == clause.begin);
    if (!says && contrasts) return std::nullopt;
    // "is 12, so we are done"
    if (says || !has_value(clause.part(clause.begin, i))) {
      clause.begin = i + 1;
    } else {
      clause.end = i;
      return clause;
    }
  }
  while (clause.begin < clause.end &&
         (clause.is_sign(clause.begin, ',') || clause.is_sign(clause.begin, ':') ||
          clause.is_word(clause.begin, "and"))) {
    ++clause.begin;
  }
  // "Since x is positive, y is 2"
  for (const std::string_view word :
       {"since", "as", "because", "when", "with", "given", "after", "by", "for", "if"}) {
    if (!clause.is_word(clause.begin, word)) continue;
    const std::size_t comma = next_comma(clause, clause.begin);
    // What a condition leads to is no answer, unless it is calculated there.
    if (word == "if" && !is_computed(clause.part(comma, clause.end))) break;
    if (comma + 1 < clause.end) clause.begin = comma + 1;
    break;
  }
  return clause;
}

bool concludes(const Clause& sentence) {
  for (std::size_t i = sentence.begin; i < sentence.end; ++i) {
    if (sentence.has_sense(i, kConnective) && !is_so_that(sentence, i)) return true;
  }
  return false;
}

bool is_exception(const Clause& clause, std::size_t but) {
  if (but <= clause.begin) return false;
  for (const std::string_view word : {"anything", "all", "nothing", "everything", "any"}) {
    if (clause.is_word(but - 1, word)) return true;
  }
  return false;
}

std::size_t after_last_verb(const Clause& clause, int& verbs) {
  std::size_t after = clause.end;
  verbs = 0;
  for (std::size_t i = clause.begin; i + 1 < clause.end; ++i) {
    const bool colon = clause.is_sign(i, ':') && clause[i + 1].begin > clause[i].end;
    if (!colon && !clause.has_sense(i, kVerb)) continue;
    // "to get to school 5 minutes sooner"
    if (clause.is_word(i + 1, "to") && (clause.is_word(i, "get") || clause.is_word(i, "got")))
      continue;
    // "is greater than or equal to 7"
    if (i > clause.begin && clause.is_word(i - 1, "or")) continue;
    // "is divided by 7"
    const std::string_view next = clause[i + 1].content;
    const bool passive = clause[i + 1].kind == Kind::kWord && next.size() > 4 &&
                         next.substr(next.size() - 2) == "ed";
    if (passive) continue;
    // "is equal to", "must be"
    if (after != i) ++verbs;
    after = i + 1;
    if (clause.is_word(after, "to")) ++after;
  }
  return after;
}

Clause assertion(Clause clause) {
  std::size_t denial = clause.end;
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    const bool denies = clause.is_word(i, "not") || clause.is_word(i, "isn't");
    // "I'm not sure it's 5" asserts nothing.
    if (denies && (clause.is_word(i + 1, "sure") || clause.is_word(i + 1, "certain")))
      return clause;
    if (denies && denial == clause.end) denial = i;
    if (denial == clause.end || i < denial + 2) continue;
    std::size_t length = 0;
    if (clause.is_word(i, "but") || clause.is_word(i, "it's") || clause.is_word(i, "rather"))
      length = 1;
    if (clause.is_word(i, "it") && (clause.is_word(i + 1, "is") || clause.is_word(i + 1, "was")))
      length = 2;
    const bool between = is_value(clause[i - 1]);
    if (between && clause.is_word(i, "which") && clause.is_word(i + 1, "is")) length = 2;
    if (length != 0 && i + length < clause.end) return clause.part(i + length, clause.end);
  }
  return clause;
}

}  // namespace urpo::answers
