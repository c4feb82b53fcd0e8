// Answers that are words, letters of a choice, dates or plain integers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace urpo::answers {

// The content of a text command that is all of the text; the text itself for any other.
std::string_view unwrapped(std::string_view normalized_text);

// Words only: at least one of three letters that no function is called, and no digits or operators.
bool is_words(std::string_view normalized_text);

// The words of three letters and more that are no functions, units or commands, counted up to
// `most`.
int count_words(std::string_view normalized_text, int most);

// Lower case, single spaces, without text commands, quotes, articles and full stop.
std::string folded_words(std::string_view normalized_text);

// In any case, also inside of text commands.
bool contains_word(std::string_view normalized_text, std::string_view lower_case_word);

// "not 5", "\ne 5": says only what the answer is not.
bool is_denial(std::string_view normalized_text);

// The answer contains a sum, limit, greatest divisor or the like that the gold does not: it
// restates a problem instead of solving it.
bool asks_for_work(std::string_view answer, std::string_view gold);

// The LaTeX of a set that folded words name: "all real numbers", "no solution"; empty for others.
std::string_view set_in_words(std::string_view folded);

// The words, or names of several words, between commas and "and", of text that is nothing else:
// "A and C", "Alice, Bob". Single letters are sorted. Empty unless there are two at least.
std::vector<std::string> listed_words(std::string_view normalized_text);

// Folded words with one spelling for "no solutions", "DNE" and the like.
std::string with_usual_words(std::string folded);

// "March 5", "5th of March, 2024": month, day and year as one text.
std::optional<std::string> month_and_day(std::string_view normalized_text);

// "A, B, D" and "ABD": the letters of several choices, apart on one side and run together on the
// other.
bool names_all_choices(std::string_view answer, std::string_view gold);

// "2024-05-06", "5/6/2024", "6.5.24"
bool is_date(std::string_view normalized_text);

// The letter of "B", "(B)", "\text{(b)}", "B." or "option B", upper case.
struct Choice {
  char letter = 0;
  bool marked = false;  // in parentheses or in a text command: surely not a variable
  bool lower_case = false;
  std::string_view content;  // what follows the letter, as in "(B) 12"
};
std::optional<Choice> read_choice(std::string_view normalized_text);

// [+-] digits, without leading zeros and plus sign.
std::optional<std::string> plain_integer(std::string_view text);

}  // namespace urpo::answers
