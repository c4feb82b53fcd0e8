// Units of measure that stand in a sentence beside a number or a box.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace urpo::answers {

inline constexpr std::size_t kMaxUnit = 80;  // bytes behind a number that may name its unit

inline constexpr std::string_view kOutOf = "out of";

// The known unit that `text` begins with, math delimiters and markup before it left out: "square
// feet" of "$ square feet of cloth", "m/s" of "}\text{ m/s}$.", "%". kOutOf
// of "$ out of 50", which makes a fraction of the number. Empty if there is none.
std::string leading_unit(std::string_view text);

// "$5$ m" as "5\text{ m}": behind the only formula, a letter that is a unit is no factor. Any other
// text as it is.
std::string with_unit_inside(std::string_view gold);

// Whether a gold answer names the unit of its number: "6 \text{ cm}", "\$6", "30^\circ", "20\%".
bool has_unit(std::string_view answer);

}  // namespace urpo::answers
