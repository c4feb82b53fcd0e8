// What a response says behind its answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace urpo::answers {

// Another value that is said behind an answer.
struct Offer {
  std::string value;
  std::string unit;  // known, beside it; may be empty
  bool is_letter = false;
};

struct Afterword {
  bool retracts = false;            // "That is wrong.", "No."
  std::vector<Offer> offers;        // "or 6", "Wait, it's 6", "However, the correct value is 6"
  std::vector<std::string> denied;  // "But 5 does not work.", "Thus 5 is wrong."
  std::string_view doubt;           // what follows "Wait, let me see": its end counts
};

// Of text as plain_typed gives it, in linear time. `begins_inside`: the answer's sentence goes on
// there. What explains, checks or closes says nothing: "Check: 2 + 3 = 5.", "Hope this helps!".
Afterword read_afterword(std::string_view text, bool begins_inside);

}  // namespace urpo::answers
