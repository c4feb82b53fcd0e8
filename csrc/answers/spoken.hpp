// Answers from statements, and what the words behind an answer do to it.
#pragma once

#include <optional>
#include <string_view>

#include "final_answer.hpp"
#include "statement.hpp"

namespace urpo::answers {

// A statement as an answer. None if what follows it takes it back.
std::optional<FinalAnswer> spoken_answer(Statement statement);

// Adds the values that are offered besides in `after`, text as plain_typed gives it; false if it
// takes the answer back.
bool add_afterword(std::string_view after, FinalAnswer& answer);

// Adds another statement, if it has a value.
void add_offer(Statement statement, FinalAnswer& answer);

}  // namespace urpo::answers
