#include "afterword.hpp"

#include <algorithm>
#include <utility>

#include "characters.hpp"
#include "clauses.hpp"
#include "lexicon.hpp"
#include "pieces.hpp"
#include "prose.hpp"
#include "scan.hpp"
#include "units.hpp"

namespace urpo::answers {
namespace {

using Kind = Piece::Kind;

constexpr std::size_t kMaxOffers = 8;

bool is_refusal(std::string_view word) { return word == "no" || word == "nope"; }

// "wrong", "a mistake"; right behind the answer "impossible" too, which later is about a step of a
// proof.
bool is_rejection(const Clause& clause, std::size_t i, bool is_next) {
  // "scratch that"
  if (clause.is_word(i, "scratch")) return true;
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
       {"right", "correct", "true", "possible", "valid", "sure", "certain"}) {
    if (clause.is_word(i, word)) return true;
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
      text.remove_prefix(std::min(text.size(), end + 1));
      if (inside) {
        parts(sentence);
      } else {
        segment(sentence);
      }
      if (std::any_of(sentence.begin(), sentence.end(),
                      [](char c) { return is_letter(c) || is_digit(c); }))
        ++sentences_;
      has_values_ = false;
      if (doubted_ && word_.doubt.empty()) word_.doubt = text;
    }
    return std::move(word_);
  }

 private:
  // The answer's own sentence, a remark at a time: "5, which is wrong", "5 (maybe 6)".
  void parts(std::string_view sentence) {
    int depth = 0;
    while (!sentence.empty() && !word_.retracts) {
      const std::size_t end = std::min(sentence.find_first_of(",;(:"), sentence.size());
      segment(sentence.substr(0, end));
      // "has a remainder of 1 when divided by 2, 3, or 6": the list is of other things.
      for (const char c : sentence.substr(0, end)) {
        if (c == ')' && depth > 0) --depth;
        if (is_digit(c) && depth == 0) has_values_ = true;
      }
      if (end < sentence.size() && sentence[end] == '(') ++depth;
      sentence.remove_prefix(std::min(sentence.size(), end + 1));
    }
  }

  void segment(std::string_view text) {
    const std::string first = next_word(text, 0);
    // "不对"
    if (first.empty() && text.find("\u4e0d\u5bf9") < 4) word_.retracts = true;
    // "Yes, that is right": what was in doubt is said again.
    if ((first == "yes" || first == "indeed") && std::none_of(text.begin(), text.end(), is_digit)) {
      doubted_ = false;
      word_.doubt = {};
    }
    if (!may_turn(text)) return;
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
    for (std::size_t at = 0; at < text.size();) {
      const std::string word = next_word(text, at);
      if (word.empty()) return false;
      const bool negates = word == "not" || word == "cannot" || ends_with(word, "n't");
      if (negates || has_sense(word, kTurn | kRejects | kFaults | kErrs)) return true;
      if (!has_sense(word, kPlain)) return false;
      while (!is_letter(text[at])) ++at;
      at += word.size();
    }
    return false;
  }

  void read_segment(std::string_view text, const Clause& clause, bool refuses) {
    bool turned = false;
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
        const bool none = i > 0 && (clause.is_word(i - 1, "no") || negated);
        word_.retracts = word_.retracts || !none;
        return;
      }
      if (piece.kind != Kind::kWord || is_letter_of_choice(piece)) break;
      const bool negates =
          piece.content == "not" || piece.content == "cannot" || ends_with(piece.content, "n't");
      if (negated && is_approval(clause, i)) word_.retracts = true;
      if (!negates && !has_sense(piece.content, kTurn | kPlain)) break;
      negated = negated || negates;
      turned = turned || has_sense(piece.content, kTurn);
      if (has_sense(piece.content, kHesitates)) doubted_ = true;
    }
    const bool value = i < clause.end && clause[i].kind != Kind::kWord;
    const bool letter = i < clause.end && is_letter_of_choice(clause[i]);
    if (turned && !negated && (value || letter) && !has_values_)
      return offer(text, clause.part(i, clause.end));
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
  int sentences_ = 0;        // behind the answer's own
  bool has_values_ = false;  // in its own
};

}  // namespace

Afterword read_afterword(std::string_view text, bool begins_inside) {
  return AfterwordReader().read(text, begins_inside);
}

}  // namespace urpo::answers
