// Decimals that go on for ever.
#pragma once

#include <cstddef>
#include <string_view>

#include "rational.hpp"

namespace urpo::answers {

// Behind "..." or a command for it at `at`; `at` itself for anything else.
std::size_t end_of_ellipsis(std::string_view text, std::size_t at);

// The digits at the end of a decimal that it shows three times, "3" of "0.1333"; empty for none.
std::string_view shown_period(std::string_view number, int decimals);

// What a block of digits adds to a number, repeated for ever behind so many decimals.
Rational repeated_behind(std::string_view block, int decimals);

}  // namespace urpo::answers
