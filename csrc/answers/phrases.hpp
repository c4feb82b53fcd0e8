// What announces an answer: "the answer is", "Answer:", "####", and the same in other languages.
#pragma once

#include <optional>
#include <string_view>

namespace urpo::answers {

// What follows the last announcement of an answer, in the text as it is; none if nothing announces
// one for sure: not "if the answer is 4", "a wrong answer is 4", "is the answer 4?".
std::optional<std::string_view> after_announcement(std::string_view text);

// Whether "answer" or "####" occurs anywhere.
bool mentions_answer(std::string_view text);

}  // namespace urpo::answers
