// Answers in sentences: the one number or the one letter that a sentence gives.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace urpo::answers {

// The only number of a sentence of plain words, with its sign and per cent: "12" of "there are 12
// sequences that meet the conditions". None where the sentence denies, bounds or doubts anything,
// has a second number, or is a formula.
std::optional<std::string> sole_number(std::string_view sentence);

// The letter of a choice that a sentence begins with: "D" of "D, since it cannot be A". None where
// another letter follows it.
std::optional<std::string> leading_choice(std::string_view sentence);

// Whether a gold is a number without any word, so that the number of a sentence can meet it.
bool is_bare_number(std::string_view gold);

}  // namespace urpo::answers
