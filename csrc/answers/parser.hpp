// Reads a normalized answer into a tree.
#pragma once

#include <string_view>

#include "tokens.hpp"
#include "tree.hpp"

namespace urpo::answers {

// Throws Unsupported for what is in no notation known here, and LimitExceeded for what is too long
// or nested too deeply. Time and memory are linear in the text.
NodePtr parse(std::string_view normalized_text, Commas commas = Commas::kGroupDigits);

}  // namespace urpo::answers
