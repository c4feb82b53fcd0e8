#include "prose.hpp"

#include <algorithm>

#include "characters.hpp"
#include "lexicon.hpp"
#include "notation.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

using Kind = Piece::Kind;

// "12 thousand", in characters that follow a number directly.
bool continues_number(std::string_view word) {
  for (const std::string_view part : {"\u4e07", "\u4ebf", "\u5343", "\u767e", "\u534a", "\u5341",
                                      "\u500d", "\u5206\u4e4b", "\u591a", "\u4f59"}) {
    if (word.substr(0, part.size()) == part) return true;
  }
  return false;
}

bool denies(const Piece& piece) {
  if (piece.kind != Kind::kWord) return false;
  const std::string_view word = piece.content;
  if (word.size() > 2 && word.substr(word.size() - 3) == "n't") return true;
  if (has_sense(word, kDenies | kFaults | kConditions | kSupposes | kDoubts)) return true;
  return is_high(word.front()) && has_ideographic_reservation(word);
}

// "\u2265", "\u00d7", "\u03c0": a word only by its bytes. Punctuation is none.
bool is_symbol(std::string_view word) {
  for (const std::string_view symbol :
       {"\u00d7", "\u00f7", "\u00b1", "\u03c0", "\u00bd", "\u00bc", "\u00be"}) {
    if (word.substr(0, symbol.size()) == symbol) return true;
  }
  return word.front() == '\xe2' && word.substr(0, 2) != "\xe2\x80";
}

bool is_operator(const Clause& clause, std::size_t i) {
  if (i >= clause.end) return false;
  if (clause.is_word(i, "x") && i > clause.begin && i + 1 < clause.end)
    return clause[i - 1].kind == Kind::kNumber && clause[i + 1].kind == Kind::kNumber;
  if (clause[i].kind == Kind::kWord) return is_symbol(clause[i].content);
  if (clause[i].kind != Kind::kSign) return false;
  return std::string_view("+-*/^<>|~").find(clause[i].content[0]) != std::string_view::npos;
}

// Whether the side of an equation in plain text is arithmetic, or a name without any.
bool is_known_side(const Clause& side) {
  for (std::size_t i = side.begin; i < side.end; ++i) {
    // "2x = 10"
    const bool factor = side[i].kind == Kind::kNumber && i + 1 < side.end &&
                        side[i + 1].kind == Kind::kWord && side[i + 1].content.size() == 1 &&
                        side[i + 1].begin == side[i].end;
    if (factor) return false;
    if (!is_operator(side, i)) continue;
    if (side.is_sign(i, '<') || side.is_sign(i, '>') || side.is_sign(i, '|')) return false;
    if (i == side.begin || i + 1 == side.end) return false;
    const Piece& before = side[i - 1];
    const bool letter = before.kind == Kind::kWord && before.content.size() == 1;
    if (letter || (side[i + 1].kind == Kind::kWord && !side.is_sign(i, '/'))) return false;
  }
  return true;
}

// Behind the last equals sign, if what stands before that is no equation in a variable.
std::optional<Clause> after_equals(const Clause& clause) {
  std::size_t last = clause.end;
  std::size_t previous = clause.end;
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (!clause.is_sign(i, '=')) continue;
    // "5 != 6", not "3!=6".
    const bool unequal = i > clause.begin + 1 && clause.is_sign(i - 1, '!') &&
                         clause[i - 2].end < clause[i - 1].begin;
    if (unequal) return std::nullopt;
    previous = last;
    last = i;
  }
  if (last == clause.end) return clause;
  // "12 = 3 x 4"
  const Clause right = clause.part(last + 1, clause.end);
  const bool number = previous == clause.end && last == clause.begin + 1 &&
                      clause[clause.begin].kind == Kind::kNumber &&
                      !is_operator(clause, right.begin);
  for (std::size_t i = right.begin + 1; number && i < right.end; ++i) {
    if (is_operator(right, i)) return clause.part(clause.begin, last);
  }
  const std::size_t from = previous == clause.end ? clause.begin : previous + 1;
  if (!is_known_side(clause.part(from, last))) return std::nullopt;
  // "12 = 13" is nothing.
  const bool numbers = last == from + 1 && last + 1 < clause.end &&
                       clause[from].kind == Kind::kNumber && clause[last + 1].kind == Kind::kNumber;
  if (numbers && clause[from].content.find('/') == std::string::npos &&
      clause[from].content != clause[last + 1].content)
    return std::nullopt;
  return clause.part(last + 1, clause.end);
}

bool has_variables(std::string_view side) {
  for (std::size_t i = 0; i < side.size(); ++i) {
    if (side[i] == '\\') {
      std::size_t end = i + 1;
      while (end < side.size() && is_letter(side[end])) ++end;
      const std::string_view name = side.substr(i + 1, end - i - 1);
      if (name == "text" || name == "mathrm") {
        end = std::min(side.find('}', end), side.size());
      }
      i = std::max(end, i + 2) - 1;
    } else if (is_letter(side[i]) || is_high(side[i])) {
      return true;
    }
  }
  return false;
}

bool is_plain_number(std::string_view side) {
  side = trimmed(side);
  if (!side.empty() && side.front() == '-') side.remove_prefix(1);
  return !side.empty() && std::all_of(side.begin(), side.end(), [](char c) {
    return is_digit(c) || c == '.' || c == ',' || c == '{' || c == '}';
  });
}

}  // namespace

std::string end_of_chain(const std::string& formula) {
  std::vector<std::string_view> sides;
  const std::string_view text = formula;
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      const std::string_view rest = text.substr(i);
      for (const std::string_view relation :
           {"\\ne", "\\le", "\\ge", "\\approx", "\\lt", "\\gt", "\\to", "\\Right", "\\impl",
            "\\begin", "\\pm", "\\in", "\\equiv"}) {
        if (depth == 0 && rest.substr(0, relation.size()) == relation &&
            !starts_with(rest, "\\left") && !starts_with(rest, "\\int"))
          return formula;
      }
      ++i;
      continue;
    }
    depth += text[i] == '{' || text[i] == '(' ? 1 : text[i] == '}' || text[i] == ')' ? -1 : 0;
    if (depth == 0 && (text[i] == '<' || text[i] == '>' || text[i] == ',' || text[i] == ';')) {
      const bool grouping = text[i] == ',' && i + 1 < text.size() && is_digit(text[i + 1]);
      if (!grouping) return formula;
    }
    if (depth != 0 || text[i] != '=') continue;
    sides.push_back(trimmed(text.substr(begin, i - begin)));
    begin = i + 1;
  }
  if (sides.empty()) return formula;
  sides.push_back(trimmed(text.substr(begin)));
  const std::string_view first = sides.front();
  bool work = false;
  for (const std::string_view sign : {"\\lim", "\\sum", "\\prod", "\\int"}) {
    work = work || first.substr(0, sign.size()) == sign;
  }
  while (!sides.back().empty() && sides.back().back() == '.') {
    sides.back() = trimmed(sides.back().substr(0, sides.back().size() - 1));
  }
  std::string_view end = sides.back();
  // "V = Bh = 30(6.5) = 195" has come to numbers before its end.
  const bool computed = sides.size() > 2 && !has_variables(sides[sides.size() - 2]);
  if (!work && has_variables(first) && !computed) return formula;
  for (const std::string_view side : sides) {
    if (!is_plain_number(side)) continue;
    // "5 = 6" is nothing.
    if (is_plain_number(end) && end != side) return formula;
    end = side;
  }
  return has_variables(end) || end.empty() ? formula : std::string(end);
}

bool is_modified(const Clause& clause) {
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (clause[i].kind != Kind::kNumber && clause[i].kind != Kind::kFormula) continue;
    for (std::size_t j = i + 1; j < std::min(i + 3, clause.end); ++j) {
      if (clause.has_sense(j, kModifies)) return true;
    }
    if (i == clause.begin) continue;
    const bool last = i >= clause.begin + 2;
    if (clause.is_word(i - 1, "from") || clause.is_word(i - 1, "but")) return true;
    // "the square of 5"
    if (last && clause.is_word(i - 1, "of") && clause.has_sense(i - 2, kFunction)) return true;
    if (last && clause.is_word(i - 2, "up") && clause.is_word(i - 1, "to")) {
      // "adds up to 12" gives it, "there are up to 12" does not.
      return i < clause.begin + 3 || clause[i - 3].content.back() != 's';
    }
    for (const std::string_view word : {"many", "few", "much", "little"}) {
      if (last && clause.is_word(i - 2, word) && clause.is_word(i - 1, "as")) return true;
    }
  }
  return false;
}

bool is_computed(const Clause& clause) {
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (clause[i].kind == Kind::kFormula && end_of_chain(clause[i].content) != clause[i].content)
      return true;
    if (clause.is_sign(i, '=') && i > clause.begin) {
      for (std::size_t j = clause.begin; j < i; ++j) {
        const bool fraction =
            clause[j].kind == Kind::kNumber && clause[j].content.find('/') != std::string::npos;
        if (fraction || is_operator(clause, j)) return true;
      }
    }
  }
  return false;
}

bool has_denial(const Clause& clause) {
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (denies(clause[i]) || clause.is_sign(i, '?')) return true;
    if (clause.is_word(i, "no") && clause.is_word(i + 1, "es")) return true;
  }
  return false;
}

bool has_reservation(const Clause& clause) {
  if (has_denial(clause)) return true;
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (!clause.has_sense(i, kBounds | kArithmetic)) continue;
    // "12 are left over", "12 dollars more than Bob"
    const bool left =
        clause.is_word(i, "over") && i > clause.begin && clause.is_word(i - 1, "left");
    const bool compared = clause.is_word(i, "than") && has_value(clause.part(clause.begin, i)) &&
                          !has_value(clause.part(i, clause.end));
    if (!left && !compared) return true;
  }
  return false;
}

bool has_value(const Clause& clause) {
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (clause[i].kind == Kind::kNumber || clause[i].kind == Kind::kFormula) return true;
  }
  return false;
}

std::optional<Value> sole_value(const Clause& whole) {
  if (has_denial(whole) || is_modified(whole)) return std::nullopt;
  const auto clause = after_equals(whole);
  if (!clause) return std::nullopt;
  // What is computed may be "8 more than before"; but not "7 or 8", "7 dozen".
  const bool computed = clause->begin != whole.begin;
  const std::size_t end = computed ? std::min(clause->begin + 2, clause->end) : clause->end;
  if (has_reservation(clause->part(clause->begin, end))) return std::nullopt;
  for (std::size_t i = clause->begin; i < clause->end; ++i) {
    if (clause->is_word(i, "or")) return std::nullopt;
  }
  std::optional<Value> value;
  for (std::size_t i = clause->begin; i < clause->end; ++i) {
    const Piece& piece = (*clause)[i];
    if (is_operator(*clause, i)) return std::nullopt;
    if (piece.kind == Kind::kSign) {
      if (std::string_view("\\{}[]").find(piece.content[0]) != std::string_view::npos)
        return std::nullopt;
      continue;
    }
    // Two values side by side are a product, or two answers.
    if (piece.kind != Kind::kNumber && piece.kind != Kind::kFormula) continue;
    // "2 values of $x$"
    if (piece.kind == Kind::kFormula && piece.content.size() == 1 && is_letter(piece.content[0]))
      continue;
    if (piece.kind == Kind::kNumber && piece.is_partial) return std::nullopt;
    if (i > clause->begin) {
      const Piece& before = (*clause)[i - 1];
      const bool ordinal = before.kind == Kind::kWord && before.content.size() >= 3 &&
                           before.content.substr(before.content.size() - 3) == "\u7b2c";
      if (clause->has_sense(i - 1, kLabels) || ordinal) return std::nullopt;
      const bool attached = before.kind != Kind::kSign && before.kind != Kind::kBold &&
                            before.end == piece.begin && !is_high(before.content.back());
      if (attached) return std::nullopt;
    }
    if (i + 1 < clause->end) {
      const Piece& after = (*clause)[i + 1];
      if (after.kind == Kind::kWord && continues_number(after.content)) return std::nullopt;
      const bool letter = piece.kind == Kind::kFormula && after.kind == Kind::kWord &&
                          after.begin == piece.end && is_letter(after.content.front());
      if (letter) return std::nullopt;
    }
    std::string text = piece.kind == Kind::kFormula ? end_of_chain(piece.content) : piece.content;
    if (text.empty() || (value && value->text != text)) return std::nullopt;
    value = Value{std::move(text), i, piece.currency};
  }
  return value;
}

bool offers_otherwise(const Clause& clause) {
  for (std::size_t i = clause.begin; i < clause.end; ++i) {
    if (clause.is_word(i, "otherwise") && has_value(clause.part(i, clause.end))) return true;
  }
  return false;
}

bool is_approved(const Clause& clause, std::size_t i) {
  for (++i; i < clause.end && clause.has_sense(i, kPlain); ++i) {
    if (clause.is_word(i, "correct") || clause.is_word(i, "right")) return true;
  }
  return clause.is_word(i, "acceptable");
}

bool lists_choices(std::string_view text) {
  char seen = 0;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    const bool begins = i == 0 || is_space(text[i - 1]) || text[i - 1] == '(' || text[i - 1] == '*';
    if (!begins || text[i] < 'A' || text[i] > 'J') continue;
    if (text[i + 1] != ':' && text[i + 1] != ')' && text[i + 1] != '.') continue;
    if (seen != 0 && seen != text[i]) return true;
    seen = text[i];
  }
  return false;
}

namespace {

// "C, because"; "(C), 5", which needs the parentheses: "C, 5" is a list.
bool explains_choice(std::string_view rest, bool marked) {
  std::size_t word = 0;
  while (word < rest.size() && is_letter(rest[word])) ++word;
  for (const std::string_view joint : {"or", "and", "but", "maybe"}) {
    if (rest.substr(0, word) == joint) return false;
  }
  const std::vector<Piece> pieces = pieces_of(rest);
  const Clause clause{&pieces, 0, pieces.size()};
  for (std::size_t i = 0; i < clause.end; ++i) {
    if (clause[i].is_letter && is_approved(clause, i)) return false;
  }
  if (word >= 2) return true;
  return marked && sole_value(clause) &&
         std::none_of(pieces.begin(), pieces.end(),
                      [](const Piece& each) { return each.is_letter; });
}

}  // namespace

std::optional<std::string> leading_choice(std::string_view sentence) {
  for (const std::string_view sure : {"for sure ", "definitely ", "certainly ", "probably "}) {
    if (begins_with(sentence, sure)) sentence = trimmed(sentence.substr(sure.size()));
  }
  if (sentence.size() < 2) return std::nullopt;
  const bool marked = sentence.size() > 3 && sentence.front() == '(' && sentence[2] == ')';
  const char letter = sentence[marked ? 1 : 0];
  sentence.remove_prefix(marked ? 3 : 1);
  if (letter < 'A' || letter > 'J') return std::nullopt;
  const bool colon = sentence.front() == ':';
  if (!colon && sentence.front() != ',' && sentence.front() != ';') return std::nullopt;
  if (!explains_choice(trimmed(sentence.substr(1)), marked || colon)) return std::nullopt;
  return std::string(1, letter);
}

std::string_view leading_verdict(std::string_view sentence) {
  for (const std::string_view verdict : {"yes", "no"}) {
    if (!starts_with_word(sentence, verdict)) continue;
    const std::string_view rest = sentence.substr(verdict.size());
    if (rest.empty() || (rest.front() != ',' && rest.front() != ';' && rest.front() != '.'))
      return {};
    const std::vector<Piece> pieces = pieces_of(rest);
    const Clause clause{&pieces, 0, pieces.size()};
    for (std::size_t i = 0; i < clause.end; ++i) {
      if (clause.has_sense(i, kOffers | kTurn | kConditions | kDoubts) || clause.is_word(i, "yes"))
        return {};
    }
    return verdict;
  }
  return {};
}

}  // namespace urpo::answers
