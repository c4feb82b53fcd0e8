// A text that is the same for answers that say the same, to group them by.
#pragma once

#include <string>
#include <string_view>

namespace urpo::answers {

// Of a gold answer in UTF-8: the exact values of rational numbers, alone or in tuples, lists and
// sets, however they are written; for anything else its normalized text. Equivalent answers may
// have different texts all the same (roots, formulas). Never throws for any text.
std::string canonical(std::string_view gold);

}  // namespace urpo::answers
