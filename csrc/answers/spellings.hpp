// Other spellings of numbers, times, ratios and signs, as the parser knows them.
#pragma once

#include <string>

namespace urpo::answers {

// "0.\dot 3" as "0.\dot{3}", "4210_{(5)}" as "4210_{5}", "11{:}30", "3\text{ to }4" as "3:4",
// "1\text{ out of }3" as a fraction, "90^o" as degrees, "5\text{, }7" as "5, 7"; without "\tag{1}"
// and "\hspace{1mm}".
std::string with_usual_spellings(std::string normalized_text);

// "C_{20}^{10}", "{}_{20}C_{10}" and, where the other side has no comma and so is no point,
// "C(20, 10)" as binomials.
std::string with_binomials(std::string normalized_text, const std::string& other);

}  // namespace urpo::answers
