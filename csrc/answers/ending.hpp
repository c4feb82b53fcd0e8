// The end of a response that announces nothing.
#pragma once

#include <string_view>

#include "statement.hpp"

namespace urpo::answers {

// What a response concludes at its end: the last row of aligned rows, the last sentence, closing
// remarks left out, or a displayed formula.
Reading conclude(std::string_view response, Statement& statement);

}  // namespace urpo::answers
