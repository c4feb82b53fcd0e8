// Words that make another number of the one they stand beside, or take it back.
#pragma once

#include <string_view>

namespace urpo::answers {

// "five", "fifty", "hundreds", "million", "dozen", "half", "fifths": numbers, and what multiplies
// or divides one. All words are expected in lower case.
bool is_number_word(std::string_view word);

// "squared", "factorial", "root", "modulo", "doubled", "below": what is done with a number.
bool is_arithmetic_word(std::string_view word);

// "not", "wrong", "except", "guess", "about", "least": denies, doubts or bounds a number.
bool is_reserving_word(std::string_view word);

// Any of these: with this word behind it, a number is not the answer any more.
bool changes_value(std::string_view word);

}  // namespace urpo::answers
