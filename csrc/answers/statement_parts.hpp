// What statements are cut from sentences with.
#pragma once

#include <string_view>

#include "prose.hpp"
#include "statement.hpp"

namespace urpo::answers {

// Without markup, quotes and colons before it.
std::string_view without_markup(std::string_view text);

// Without markup, quotes and punctuation behind it, a factorial's sign excepted.
std::string_view without_end(std::string_view text);

// Of the sentence that the clause's pieces are of.
std::string_view text_of(std::string_view sentence, const Clause& clause);

// The inside of the clause's only bold words, if they are no label and not all of it; else the
// clause.
Clause only_bold(const Clause& clause);

// Adds the one value of a clause, with its unit.
void add_value(std::string_view sentence, const Clause& clause, Statement& statement);

}  // namespace urpo::answers
