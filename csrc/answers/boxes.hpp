// Boxed answers: \boxed and \fbox, with or without braces.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "final_answer.hpp"

namespace urpo::answers {

struct Box {
  std::size_t begin = 0;  // of the command
  std::size_t end = 0;    // after the closing brace
  std::string_view content;
  bool closed = false;
};

// A text whose last box stands within another one beside something else, "\boxed{5, \boxed{6}}",
// without the inner one: "\boxed{5, 6}". None where it does not.
std::optional<std::string> without_inner_box(std::string_view text);

enum class Joint { kTight, kLoose };

// The last box that begins before `limit`.
std::optional<Box> last_box(std::string_view text, std::size_t limit);

// What joins two boxes of one sentence into one answer: ", ", " and ", " or ", or nothing; null if
// they are apart. Loosely, other words may stand there too: "\boxed{1} cow and \boxed{2} pigs".
const char* connector(std::string_view gap, Joint joint);

// The content of a box and of those before it that are joined to it.
std::string joined_boxes(std::string_view text, const Box& last, Joint joint);

// What a response says whose last box is `last`. None if that is never closed, or denied.
std::optional<FinalAnswer> boxed_answer(std::string_view text, const Box& last);

}  // namespace urpo::answers
