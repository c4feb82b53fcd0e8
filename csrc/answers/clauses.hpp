// The clause of a sentence that states something, without reasons, conditions and remarks.
#pragma once

#include <cstddef>
#include <optional>

#include "prose.hpp"

namespace urpo::answers {

// What a clause is: a sentence of its own, one behind "therefore", or what follows a verb like
// "is".
enum class Scope { kSentence, kConclusion, kPredicate };

// Without what follows the first value as a reason, condition or remark: "because ...", ", which
// ...", "rather than ...", "(twice 7)". With a sure value before it, a restatement is a remark too:
// ", i.e. 75 cents"; without one, it is what counts.
Clause without_remarks(Clause clause, Scope scope);

// The last clause that concludes something, of several joined by "so", "but", ";" and the like.
// None where what is behind "but" concludes nothing.
std::optional<Clause> conclusion(Clause sentence);

// Whether "therefore" or the like stands anywhere.
bool concludes(const Clause& sentence);

// "anything but": whether the "but" at an index excepts what follows.
bool is_exception(const Clause& clause, std::size_t but);

// Behind a verb like "is" or "gives"; the clause's end where there is none. `verbs` counts them.
std::size_t after_last_verb(const Clause& clause, int& verbs);

// Of a clause that denies one thing and asserts another ("not 10 but 12"), what it asserts.
Clause assertion(Clause clause);

}  // namespace urpo::answers
