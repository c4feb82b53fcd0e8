// Nouns behind a number that are no known units: what is counted.
#pragma once

#include <string_view>

namespace urpo::answers {

// What the words stand behind: a number with a unit or percent sign ("cm long", "cups of flour"),
// one that may count a singular ("1 way", "1/2 pizza"), any other.
enum class Number { kWithUnit, kAtMostOne, kOfThings };

// Whether the words only say what there is a number of: "apples", "different ways to sit", "people
// in total".
bool names_counted_things(std::string_view words, Number number);

// Whether one of them says nothing that the other does not: "red apples" and "apple".
bool same_things(std::string_view a, std::string_view b);

}  // namespace urpo::answers
