// The final answer of a response. Time is linear in the text, whatever the text: it is written by a
// model that may be rewarded for breaking this.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "afterword.hpp"

namespace urpo::answers {

struct FinalAnswer {
  std::string text;
  // All boxes of the last sentence, where other words stand between them; else empty. They are an
  // answer only to a gold that is their set.
  std::string all_boxes;
  // The known unit beside a box or beside the value of a sentence: "cm" of "\boxed{6} cm". It
  // counts where the gold has a unit and the answer itself has none.
  std::string unit_after;
  // The one number or formula of a sentence, without its unit: "12" of "12 sequences that meet the
  // conditions". Empty if there is not just one.
  std::string value;
  // The number in a box that bounds a name and is reached: "5" of "n \ge \boxed{5}", as the least n
  // is given too.
  std::string bound;
  // Whether it stands in no box: then it may be a sentence.
  bool is_said = false;
  // Whether a box is only a part of it: "-5" of "-\\boxed{5}". What the engine cannot read of that
  // is no answer.
  bool is_composed = false;
  // Values that are said behind it: "or 6", "Wait, it is 6". It counts only where all agree.
  std::vector<Offer> offers;
};

// What a response gives as its answer, in UTF-8. Where it closes its reasoning with </think> and
// says more, only that counts, and of that the content of the last <answer> element, if there is
// one.
//
// The answer is the content of the last box (\boxed, \fbox, with or without braces), together with
// the boxes that "and", "or" or a comma join to it; without any box, what follows the last "####",
// "answer is", "answer:", "correct option is" and the like up to the end of the sentence, or stands
// below "Answer" as a heading; else what the last sentence states ("Therefore, the sum is 5.") or
// its only formula; else all of a response of one short line. None when the last box is never
// closed, and none when the answer is denied, supposed or asked for ("the answer is not 5").
std::optional<FinalAnswer> final_answer(std::string_view response);

// The accepted answer in a gold: the content of its last box and those joined to it, else what
// follows its last "####" or "the answer is", else all of it, without white space around. Empty if
// there is none.
std::string gold_answer(std::string_view gold);

}  // namespace urpo::answers
