// Nouns behind a number that are no known units: what is counted.
#pragma once

#include <string_view>

namespace urpo::answers {

// Whether the words only say what there is a number of: "apples", "different ways to sit", "people
// in total". `behind_unit`: they follow a known unit, as in "cm long" and "cups of flour".
// `at_most_one`: of a number up to one, singular nouns are right too: "1 way".
bool names_counted_things(std::string_view words, bool behind_unit, bool at_most_one);

// Whether one of them says nothing that the other does not: "red apples" and "apple".
bool same_things(std::string_view a, std::string_view b);

}  // namespace urpo::answers
