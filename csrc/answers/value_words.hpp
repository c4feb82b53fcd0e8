// Words that make another number of the one they stand beside in an answer, or take it back.
#pragma once

#include <string_view>

namespace urpo::answers {

// "hundred", "squared", "modulo", "not", "about", "except", in lower case or in ideographs: with
// this word behind it, a number is not the answer any more.
bool changes_value(std::string_view word);

}  // namespace urpo::answers
