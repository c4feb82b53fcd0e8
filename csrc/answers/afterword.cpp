#include "afterword.hpp"

#include <algorithm>
#include <utility>

#include "characters.hpp"
#include "clauses.hpp"
#include "lexicon.hpp"
#include "pieces.hpp"
#include "prose.hpp"
#include "rivals.hpp"
#include "scan.hpp"
#include "units.hpp"

namespace urpo::answers {
namespace {

using Kind = Piece::Kind;

constexpr std::size_t kMaxOffers = 8;
constexpr int kMaxDenials = 4;  // sentences behind the answer in which it may be denied by name

// "strike that"
bool is_withdrawal(std::string_view word) {
  return word == "strike" || word == "ignore" || word == "disregard" || word == "forget";
}

bool is_refusal(std::string_view word) { return word == "no" || word == "nope"; }

// "wrong", "a mistake"; right behind the answer "impossible" too, which later is about a step of a
// proof.
bool is_rejection(const Clause& clause, std::size_t i, bool is_next) {
  if (clause.is_word(i, "scratch")) return true;
  if (clause[i].kind == Kind::kWord && is_withdrawal(clause[i].content))
    return clause.is_word(i + 1, "that");
  const bool rejects = clause.has_sense(i, kRejects | kFaults);
  if (!clause.has_sense(i, kErrs) && !(rejects && is_next)) return false;
  // "it is impossible to ..."
  for (const std::string_view word : {"to", "that", "for", "if", "unless"}) {
    if (clause.is_word(i + 1, word)) return false;
  }
  return true;
}

// "not right", "can't be correct", "not sure"
bool is_approval(const Clause& clause, std::size_t i) {
  for (const std::string_view word :
       {"right", "correct", "true", "possible", "valid", "sure", "certain", "allowed", "acceptable",
        "permitted", "admissible"}) {
    if (clause.is_word(i, word)) return true;
  }
  return false;
}

// "the other root is extraneous"
bool is_of_others(const Clause& clause, std::size_t i) {
  while (i-- > clause.begin) {
    if (clause.is_word(i, "other")) return true;
  }
  return false;
}

bool is_letter_of_choice(const Piece& piece) { return piece.is_letter && piece.content != "i"; }

// Reads sentences that begin with turns ("wait", "or", "but") and plain words ("it is", "the
// correct value"), up to the first word that is neither. Others explain.
class AfterwordReader {
 public:
  Afterword read(std::string_view text, bool begins_inside) {
    for (bool inside = begins_inside; !text.empty() && !word_.retracts; inside = false) {
      const std::size_t end = end_of_sentence(text);
      const std::string_view sentence = text.substr(0, end);
      const std::string_view from_here = text;
      text.remove_prefix(std::min(text.size(), end + 1));
      if (inside) {
        parts(sentence);
      } else {
        segment(sentence);
        const bool ends_line = end >= from_here.size() || from_here[end] == '\n' ||
                               trimmed(text.substr(0, text.find('\n'))).empty();
        another(sentence, ends_line);
        other_case(sentence);
        denial(sentence);
      }
      if (std::any_of(sentence.begin(), sentence.end(),
                      [](char c) { return is_letter(c) || is_digit(c); }))
        ++sentences_;
      has_values_ = false;
      carried_ = false;
      if (doubted_ && word_.doubt.empty()) word_.doubt = inside ? text : from_here;
    }
    return std::move(word_);
  }

 private:
  // The answer's own sentence, a remark at a time: "5, which is wrong", "5 (maybe 6)".
  void parts(std::string_view sentence) {
    int depth = 0;
    bool is_first = true;
    while (!sentence.empty() && !word_.retracts) {
      const std::size_t end = std::min(sentence.find_first_of(",;(:"), sentence.size());
      const std::string_view part = sentence.substr(0, end);
      const bool says = std::any_of(part.begin(), part.end(), is_letter);
      if (is_first && is_condition(part)) word_.retracts = true;
      if (is_first && end == sentence.size()) listed(part);
      is_first = is_first && !says;
      segment(part);
      alternatives(part);
      // "has a remainder of 1 when divided by 2, 3, or 6": the list is of other things.
      for (const char c : sentence.substr(0, end)) {
        if (c == ')' && depth > 0) --depth;
        if (is_digit(c) && depth == 0) has_values_ = true;
      }
      if (end < sentence.size() && sentence[end] == '(') ++depth;
      sentence.remove_prefix(std::min(sentence.size(), end + 1));
    }
  }

  // "5, 6"
  void listed(std::string_view part) {
    if (std::none_of(part.begin(), part.end(), is_digit)) return;
    const std::vector<Piece> pieces = pieces_of(part);
    if (pieces.size() == 1 && is_number(pieces[0])) offer(part, {&pieces, 0, 1});
  }

  // "5 unless x = 2", "5, if order matters"; not "if and only if", "if I am not mistaken".
  static bool is_condition(std::string_view part) {
    const std::string first = next_word(part, 0);
    if (first != "if" && first != "unless" && first != "provided") return false;
    const std::size_t at = lower_case(part).find(first) + first.size();
    const std::string second = next_word(part, at);
    for (const std::string_view word : {"and", "only", "i", "you", "necessary", "needed"}) {
      if (second == word) return false;
    }
    return true;
  }

  // What a part of the answer's own sentence says of another value: "6 if zero counts", "6 could
  // also be right", "rounded up to 6".
  void alternatives(std::string_view text) {
    if (std::none_of(text.begin(), text.end(),
                     [](char c) { return is_digit(c) || (c >= 'A' && c <= 'J'); }))
      return;
    const std::vector<Piece> pieces = pieces_of(text);
    const Clause clause{&pieces, 0, pieces.size()};
    for (std::size_t i = 0; i < clause.end; ++i) {
      const bool value = clause[i].kind == Kind::kNumber || clause[i].kind == Kind::kFormula;
      if (!value && !is_letter_of_choice(clause[i])) continue;
      if (is_rival(clause, i)) offer(text, clause.part(i, i + 1));
    }
  }

  // "wait", "that is wrong", "a correction: 6" in Chinese.
  void ideographic_turn(std::string_view text) {
    const auto skip = [&] {
      const std::size_t begin = text.find_first_not_of(" \t,.");
      text.remove_prefix(std::min(begin, text.size()));
    };
    skip();
    for (const std::string_view word : {"\u7b49\u7b49", "\u7b49\u4e00\u4e0b"}) {
      if (!begins_with(text, word)) continue;
      doubted_ = true;
      text.remove_prefix(word.size());
      skip();
    }
    // The first characters of "that is not right" also begin "asymmetric".
    const std::string_view wrong = "\u4e0d\u5bf9";
    if (begins_with(text, "\u9519\u4e86") ||
        (begins_with(text, wrong) && !begins_with(text, "\u4e0d\u5bf9\u79f0")))
      word_.retracts = true;
    const std::string_view rest = after_ideographic_turn(text);
    if (rest.empty()) return;
    const std::vector<Piece> pieces = pieces_of(rest);
    const Clause clause{&pieces, 0, pieces.size()};
    for (std::size_t i = 0; i < clause.end; ++i) {
      if (clause[i].kind != Kind::kNumber && clause[i].kind != Kind::kFormula) continue;
      return offer(rest, clause.part(i, clause.end));
    }
  }

  void segment(std::string_view text) {
    const std::string first = next_word(text, 0);
    // "Yes, that is right": what was in doubt is said again.
    if ((first == "yes" || first == "indeed") && std::none_of(text.begin(), text.end(), is_digit)) {
      doubted_ = false;
      word_.doubt = {};
    }
    if (first.empty()) ideographic_turn(text);
    if (!carried_ && !may_turn(text)) return;
    const std::vector<Piece> pieces = pieces_of(text);
    read_segment(text, {&pieces, 0, pieces.size()}, is_refusal(first));
  }

  // The next word from `at` on, in lower case; empty where a number or formula comes first.
  static std::string next_word(std::string_view text, std::size_t at) {
    while (at < text.size() && !is_letter(text[at])) {
      if (is_digit(text[at]) || text[at] == '\\' || is_high(text[at])) return {};
      ++at;
    }
    std::size_t end = at;
    while (end < text.size() && (is_letter(text[end]) || text[end] == '\'')) ++end;
    return lower_case(text.substr(at, end - at));
  }

  // A look at the first words, which spares most sentences of a long text the rest.
  static bool may_turn(std::string_view text) {
    std::string previous;
    for (std::size_t at = 0; at < text.size();) {
      std::string word = next_word(text, at);
      if (word.empty()) return false;
      const bool negates = word == "not" || word == "cannot" || ends_with(word, "n't");
      if (turns_together(previous, word) || is_withdrawal(word)) return true;
      if (negates || has_sense(word, kTurn | kModal | kRejects | kFaults | kErrs)) return true;
      if (!has_sense(word, kPlain)) return false;
      while (!is_letter(text[at])) ++at;
      at += word.size();
      previous = std::move(word);
    }
    return false;
  }

  // A sentence of its own: "13", "**13**", "13 is also correct"; not the "1." of a list.
  void another(std::string_view text, bool ends_line) {
    text = trimmed(text);
    if (begins_with(text, "**") && ends_with(text, "**") && text.size() > 4)
      text = text.substr(2, text.size() - 4);
    const bool letter = text.size() > 1 && text[0] >= 'A' && text[0] <= 'J' && text[1] == ' ';
    if (text.empty() || !(is_digit(text[0]) || text[0] == '$' || text[0] == '-' || letter)) return;
    const std::vector<Piece> pieces = pieces_of(text);
    const Clause clause{&pieces, 0, pieces.size()};
    if (clause.end == 0) return;
    const bool alone = clause.end == 1 && sentences_ == 0 && ends_line && is_number(clause[0]);
    if (alone || (clause.end > 1 && is_also_right(clause))) offer(text, clause.part(0, 1));
  }

  static bool is_number(const Piece& piece) {
    const std::string& text = piece.content;
    return piece.kind == Kind::kNumber ||
           (piece.kind == Kind::kFormula && !text.empty() &&
            text.find_first_not_of("0123456789.,-") == std::string::npos);
  }

  // "But 5 does not work.", "So 5 is not the answer.", "The answer 5 is wrong."
  void denial(std::string_view text) {
    if (sentences_ > kMaxDenials || text.find_first_of("0123456789") == std::string_view::npos)
      return;
    const std::vector<Piece> pieces = pieces_of(text);
    const Clause clause{&pieces, 0, pieces.size()};
    std::size_t i = 0;
    const auto passes = [&](const Piece& piece) {
      return piece.kind == Kind::kSign ||
             (piece.kind == Kind::kWord &&
              (has_sense(piece.content, kConnective | kPlain | kTurn) ||
               piece.content == "unfortunately"));
    };
    while (i < clause.end && passes(clause[i])) ++i;
    if (i >= clause.end || clause[i].kind == Kind::kWord || is_of_others(clause, i)) return;
    if (is_denied(clause, i + 1)) word_.denied.push_back(clause[i].content);
  }

  void other_case(std::string_view text) {
    const std::string first = next_word(text, 0);
    bool may_begin = false;
    for (const std::string_view word : {"if", "excluding", "including", "without", "counting"}) {
      may_begin = may_begin || first == word;
    }
    if (!may_begin || text.find_first_of("0123456789") == std::string_view::npos) return;
    const std::vector<Piece> pieces = pieces_of(text);
    Clause clause{&pieces, 0, pieces.size()};
    while (clause.begin < clause.end && clause[clause.begin].kind == Kind::kSign) ++clause.begin;
    const bool value = clause.begin < clause.end && pieces.back().kind != Kind::kWord;
    if (!value || !is_other_case(clause)) return;
    offer(text, clause.part(clause.end - 1, clause.end));
  }

  void read_segment(std::string_view text, const Clause& clause, bool refuses) {
    bool turned = carried_;
    bool negated = false;
    bool halted = false;  // "No, ..."
    std::size_t i = 0;
    for (; i < clause.end; ++i) {
      const Piece& piece = clause[i];
      if (piece.kind == Kind::kSign || piece.kind == Kind::kBold) {
        halted = halted || piece.kind == Kind::kSign;
        continue;
      }
      if (is_rejection(clause, i, sentences_ == 0)) {
        const bool none =
            i > 0 && (clause.is_word(i - 1, "no") || negated || is_of_others(clause, i));
        word_.retracts = word_.retracts || !none;
        return;
      }
      if (piece.kind != Kind::kWord || is_letter_of_choice(piece)) break;
      const bool negates =
          piece.content == "not" || piece.content == "cannot" || ends_with(piece.content, "n't");
      if (negated && is_approval(clause, i) && !is_of_others(clause, i)) word_.retracts = true;
      const bool means = i > 0 && turns_together(clause[i - 1].content, piece.content);
      if (!negates && !means && !has_sense(piece.content, kTurn | kPlain)) break;
      negated = negated || negates;
      turned = turned || means || has_sense(piece.content, kTurn | kModal);
      const bool reconsiders = means && (piece.content == "on" || piece.content == "redo");
      if (reconsiders || has_sense(piece.content, kHesitates)) doubted_ = true;
    }
    const bool value = i < clause.end && clause[i].kind != Kind::kWord;
    // "or, if you prefer, 6"
    carried_ = turned && !negated && !has_value(clause);
    const bool letter = i < clause.end && is_letter_of_choice(clause[i]);
    const bool excludes = clause.is_word(0, "otherwise") || clause.is_word(0, "alternatively");
    const bool denied = value && is_denied(clause, i + 1);
    if (turned && !negated && !denied && (value || letter) && (!has_values_ || excludes))
      return offer(text, clause.part(i, clause.end));
    // "5 (maybe)"
    const bool alone = clause.end == 1 || (clause.end == 2 && clause[1].kind == Kind::kSign);
    if (alone && clause.has_sense(0, kDoubts)) word_.retracts = true;
    // "Just kidding!", "... not.", "Not really."
    const bool joking = i == clause.end && i > 0 &&
                        (clause.is_word(i - 1, "kidding") || clause.is_word(i - 1, "not") ||
                         (negated && clause.is_word(i - 1, "really")));
    if (joking) word_.retracts = true;
    // "No.", "No, ...", "On second thought, no."; not "No other value works."
    const bool ends = i == clause.end && i > 0 && is_refusal(clause[i - 1].content);
    if (ends || (refuses && (i == clause.end || halted))) word_.retracts = true;
  }

  void offer(std::string_view text, const Clause& clause) {
    if (word_.offers.size() >= kMaxOffers) {
      word_.retracts = true;
      return;
    }
    const Piece& first = clause[clause.begin];
    // "However, $y$ must be positive"
    if (first.kind == Kind::kFormula && first.content.size() == 1 && is_letter(first.content[0]) &&
        clause.end > clause.begin + 1)
      return;
    Offer offer;
    offer.is_letter = first.is_letter;
    offer.value = first.is_letter ? std::string(1, text[first.begin]) : first.content;
    if (const auto value = sole_value(without_remarks(clause, Scope::kPredicate))) {
      offer.value = value->text;
      offer.unit = value->currency.empty()
                       ? leading_unit(text.substr(clause[value->piece].end, kMaxUnit))
                       : value->currency;
    }
    word_.offers.push_back(std::move(offer));
  }

  Afterword word_;
  bool doubted_ = false;
  bool carried_ = false;     // a turn that ended a part: "(alternatively, 6)"
  int sentences_ = 0;        // behind the answer's own
  bool has_values_ = false;  // in its own
};

}  // namespace

Afterword read_afterword(std::string_view text, bool begins_inside) {
  return AfterwordReader().read(text, begins_inside);
}

}  // namespace urpo::answers
