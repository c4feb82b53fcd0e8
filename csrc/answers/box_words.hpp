// What the words beside a box do to it.
#pragma once

#include <string>
#include <string_view>

namespace urpo::answers {

// Without white space and the ends of formulas and type at its beginning.
std::string_view without_math_ends(std::string_view text);

// "the answer is not \boxed{5}", "6 rather than \boxed{5}", "the wrong answer is \boxed{5}",
// "twice \boxed{5}": what stands before a box denies it or makes another value of it.
bool denied_before(std::string_view text);

// "\boxed{5} is wrong", "\boxed{5} can't be right", "\boxed{5}?", "\boxed{5} plus 6"
bool denied_after(std::string_view text);

// "\boxed{5}, but \boxed{6} could be right too": whether the last box is only offered.
bool offered_after(std::string_view text);

// What follows a box and the end of its formula, with "\text{ or }6" as " or 6".
std::string words_behind(std::string_view text);

}  // namespace urpo::answers
