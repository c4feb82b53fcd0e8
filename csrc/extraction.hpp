// Reads scores out of model output. Everything runs in time linear in the text,
// whatever the text: it is written by a model that may be rewarded for breaking this.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace urpo {

// The scores of a judgement: the content of the last \boxed{...} or, in text without a \boxed{, of
// the last "Scores: [...]", read as exactly `count` finite decimal numbers separated by commas
// (sign, fraction and exponent allowed, ASCII white space around them). Anything else is none.
std::optional<std::vector<double>> parse_scores(std::string_view text, std::size_t count);

}  // namespace urpo
