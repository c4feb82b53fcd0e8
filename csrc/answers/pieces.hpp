// A sentence as words, numbers, formulas and signs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace urpo::answers {

struct Piece {
  enum class Kind { kWord, kNumber, kFormula, kBold, kSign };
  Kind kind = Kind::kSign;
  std::size_t begin = 0;
  std::size_t end = 0;
  // A number without currency, with its per cent sign; a formula without delimiters; a word in
  // lower case; a sign.
  std::string content;
  std::string currency;     // of a number: of the sign that stands before it
  bool is_letter = false;   // of a word: a capital letter alone
  bool is_partial = false;  // of a number: something is attached that makes another of it
};

// In time linear in the text. A dollar sign opens a formula only where another one can close it:
// "sells for $2, so she makes $18" has none.
std::vector<Piece> pieces_of(std::string_view text);

// Full-width signs and digits in ASCII, the ends of Chinese and Japanese sentences with a space
// behind them, no-break spaces as spaces, and no HTML tags of type, backticks, marks of a proof's
// end, notes of a calculator.
std::string plain_typed(std::string_view text);

}  // namespace urpo::answers
