// The formula that a box is only a part of.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace urpo::answers {

struct BoxFormula {
  std::string text;     // with the box replaced by its content; empty if that is none
  std::size_t end = 0;  // of it in the response
  // Whether it is "n \ge \boxed{5}" or the like: 5 is the least n.
  bool is_bound = false;
};

// "-5" of "x = -\boxed{5}", "5\pi" of "\boxed{5}\pi", "x > 5" of "x > \boxed{5}", "5 thousand" of
// "$\boxed{5}$ thousand". None where the box is a side of an equation, a member of a list or stands
// in a sentence: "x = \boxed{5}", "x \in \boxed{(2,5)}", "\boxed{5} \pmod 7". The box is
// text[begin, end).
std::optional<BoxFormula> formula_around(std::string_view text, std::size_t begin, std::size_t end,
                                         std::string_view content);

}  // namespace urpo::answers
