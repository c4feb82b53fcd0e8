// What a sentence states.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace urpo::answers {

struct Statement {
  std::string text;   // what is said to be the answer, in words, numbers or formulas
  std::string value;  // the one number or formula of it; empty if there is not just one
  std::string unit;   // known, beside the value; may be empty
  std::string after;  // what follows, as plain_typed gives it: remarks, then other sentences
};

// Of what follows "the answer is", up to the end of the sentence or of a displayed formula, without
// reasons and remarks. None where it denies or asks.
std::optional<Statement> announced_statement(std::string_view rest);

enum class Reading { kStated, kNothing, kRefused };

// What a last sentence concludes: behind its last verb or equals sign, its only number or formula,
// its only bold words. Refused where the sentence denies, supposes or asks.
Reading read_sentence(std::string_view sentence, Statement& statement);

}  // namespace urpo::answers
