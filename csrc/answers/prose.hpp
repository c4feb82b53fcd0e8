// Answers in sentences: the one number, formula or letter that a clause gives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lexicon.hpp"
#include "pieces.hpp"

namespace urpo::answers {

// A stretch of a sentence.
struct Clause {
  const std::vector<Piece>* pieces = nullptr;
  std::size_t begin = 0;
  std::size_t end = 0;

  const Piece& operator[](std::size_t i) const { return (*pieces)[i]; }
  bool is_word(std::size_t i, std::string_view word) const {
    return i < end && (*this)[i].kind == Piece::Kind::kWord && (*this)[i].content == word;
  }
  bool is_sign(std::size_t i, char sign) const {
    return i < end && (*this)[i].kind == Piece::Kind::kSign && (*this)[i].content[0] == sign;
  }
  bool has_sense(std::size_t i, std::uint32_t senses) const {
    return i < end && (*this)[i].kind == Piece::Kind::kWord &&
           answers::has_sense((*this)[i].content, senses);
  }
  Clause part(std::size_t from, std::size_t to) const { return {pieces, from, to}; }
};

struct Value {
  std::string text;
  std::size_t piece = 0;  // that it stands in
  std::string currency;   // "dollars", ...; of a sign before the number
};

// The only number or formula of a clause of plain words, however often it is said: "12" of "there
// are 12 sequences that meet the conditions", "13" of "there are 3 + 4 + 6 = 13 birds". None where
// the clause denies, bounds, doubts or supposes anything, or has a second one.
std::optional<Value> sole_value(const Clause& clause);

// Whether a clause denies, doubts, asks or supposes what it says.
bool has_denial(const Clause& clause);

// Whether it does, or bounds its number, or continues it in words: "at least 12", "12 thousand".
bool has_reservation(const Clause& clause);

// Whether the words around a number make another one of it, or bound it: "12 squared", "up to 12".
bool is_modified(const Clause& clause);

// Whether a clause says the result of a calculation: "60 / 1.5 = 40".
bool is_computed(const Clause& clause);

// Whether a clause contains a number or a formula.
bool has_value(const Clause& clause);

// "24; otherwise it is 12": not "otherwise the sum is odd".
bool offers_otherwise(const Clause& clause);

// Whether what stands at an index is called right: "6 is the correct answer", "C also right".
bool is_approved(const Clause& clause, std::size_t i);

// What a chain of equations comes to: "19" of "1 + 2 \times 9 = 1 + 18 = 19" and of "19 = 1 + 18".
// The formula itself if it is none, or one with variables.
std::string end_of_chain(const std::string& formula);

// "A: 5 B: 6": several choices, and none that is chosen.
bool lists_choices(std::string_view text);

// The letter of a choice that a sentence begins with: "D" of "D, since it cannot be A" and of
// "(D), 5", "D: 5". None where another letter follows it.
std::optional<std::string> leading_choice(std::string_view sentence);

// "yes" of "Yes, it is possible.", "no" likewise; empty where the sentence takes it back.
std::string_view leading_verdict(std::string_view sentence);

}  // namespace urpo::answers
