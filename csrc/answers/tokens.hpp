// The tokens of a normalized answer.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "rational.hpp"

namespace urpo::answers {

// The answer is in no notation that is read here; it may still mean something.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Token {
  enum class Type {
    kNumber,   // value, decimals
    kLetter,   // a variable: "x", "theta"
    kWord,     // letters that are no variables: a unit, "and", a noun
    kCommand,  // a function or a LaTeX command that means something, without backslash
    kChar,     // one ASCII character; "{" and "}" group, kCommand "lbrace" and "rbrace" are braces
    kEnd,
  };
  Type type = Type::kEnd;
  std::string text;
  Rational value;
  int decimals = -1;              // digits after the decimal point, -1 for an integer
  bool in_text = false;           // inside a text command
  bool spaced = false;            // white space stands before it
  bool grouped_by_comma = false;  // "1,234" with a plain comma: might have been a list

  bool is(char c) const { return type == Type::kChar && text[0] == c; }
  bool is_command(std::string_view name) const { return type == Type::kCommand && text == name; }
  bool is_word(std::string_view name) const { return type == Type::kWord && text == name; }
};

// Whether "1,234" is one number or two.
enum class Commas { kGroupDigits, kSeparate };

// Ends with a kEnd token. Throws Unsupported for characters and commands without a meaning here,
// LimitExceeded for more than kMaxTokens.
inline constexpr std::size_t kMaxTokens = 4000;
std::vector<Token> tokenize(std::string_view normalized_text, Commas commas);

}  // namespace urpo::answers
