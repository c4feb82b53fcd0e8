// Values that the sentences behind an answer set against it.
#pragma once

#include <cstddef>
#include <string_view>

#include "prose.hpp"

namespace urpo::answers {

// Whether a part of the answer's own sentence gives the piece at an index too: "6 if zero counts",
// "6 without it", "6 could also be right", "rounded up to 6".
bool is_rival(const Clause& part, std::size_t i);

// Whether a sentence of its own says that its first piece answers too: "13 is also correct".
bool is_also_right(const Clause& sentence);

// Whether what begins at an index says that the value before it is no answer: "does not work", "is
// not the answer", "is wrong".
bool is_denied(const Clause& sentence, std::size_t i);

// Whether a sentence ends with the value of another case: "If zero is excluded, it is 6"; not "If
// n = 6, the sum is 21".
bool is_other_case(const Clause& sentence);

// "I mean 6", "let me correct that", "another answer": words that turn only as a pair.
bool turns_together(std::string_view previous, std::string_view word);

// What is left of a text behind a word that corrects an answer or offers another in Chinese:
// "\u66f4\u6b63", "\u5426\u5219"; empty where it begins with none.
std::string_view after_ideographic_turn(std::string_view text);

}  // namespace urpo::answers
