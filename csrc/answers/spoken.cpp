#include "spoken.hpp"

#include <utility>

#include "characters.hpp"
#include "ending.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

// "(B)", "**B**"
char lone_letter(std::string_view text) {
  char letter = 0;
  for (const char c : text) {
    if (is_space(c) || c == '(' || c == ')' || c == '*' || c == '.') continue;
    if (letter != 0 || c < 'A' || c > 'J') return 0;
    letter = c;
  }
  return letter;
}

std::string without_spaces(std::string_view text) {
  std::string bare;
  for (const char c : text) {
    if (!is_space(c) && c != '$' && c != '*') bare += c;
  }
  return bare;
}

}  // namespace

void add_offer(Statement statement, FinalAnswer& answer) {
  const char letter = lone_letter(statement.text);
  if (letter != 0) {
    answer.offers.push_back({std::string(1, letter), {}, true});
  } else if (!statement.value.empty()) {
    answer.offers.push_back({std::move(statement.value), std::move(statement.unit), false});
  }
}

bool add_afterword(std::string_view after, FinalAnswer& answer) {
  Afterword word = read_afterword(after, true);
  if (word.retracts) return false;
  const std::string said = without_spaces(answer.value.empty() ? answer.text : answer.value);
  for (const std::string& denied : word.denied) {
    const std::string value = without_spaces(denied);
    if (value == said || ends_with(value, "=" + said) || ends_with(said, "=" + value)) return false;
  }
  for (Offer& offer : word.offers) answer.offers.push_back(std::move(offer));
  Statement end;
  if (!trimmed(word.doubt).empty() && conclude(word.doubt, end) == Reading::kStated)
    add_offer(std::move(end), answer);
  return true;
}

std::optional<FinalAnswer> spoken_answer(Statement statement) {
  FinalAnswer answer;
  answer.text = std::move(statement.text);
  answer.value = std::move(statement.value);
  answer.unit_after = std::move(statement.unit);
  answer.is_said = true;
  if (!add_afterword(statement.after, answer)) return std::nullopt;
  return answer;
}

}  // namespace urpo::answers
