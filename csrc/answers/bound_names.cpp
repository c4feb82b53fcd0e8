#include "bound_names.hpp"

#include <algorithm>

#include "characters.hpp"
#include "notation.hpp"

namespace urpo::answers {
namespace {

void name_constant_alike(std::string& answer, const std::string& gold) {
  const auto ends_with_constant = [](const std::string& text, char name) {
    const std::size_t plus = text.rfind('+');
    return plus != std::string::npos && plus > 0 &&
           trimmed(std::string_view(text).substr(plus + 1)) == std::string_view(&name, 1);
  };
  if (ends_with_constant(gold, 'C') && ends_with_constant(answer, 'c') &&
      answer.find('C') == std::string::npos)
    answer.replace(answer.rfind('c'), 1, 1, 'C');
}

// The letter that the only sum or product of a formula runs over; 0 for none, or several.
char index_of(std::string_view text) {
  char index = 0;
  for (const std::string_view operation : {"\\sum_{", "\\prod_{"}) {
    const std::size_t at = text.find(operation);
    if (at == std::string_view::npos) continue;
    const std::size_t letter = at + operation.size();
    if (index != 0 || text.find(operation, letter) != std::string_view::npos) return 0;
    if (letter + 1 >= text.size() || !is_letter(text[letter])) return 0;
    const std::string_view relation = trimmed(text.substr(letter + 1, 3));
    if (relation.empty() || relation.front() != '=') return 0;
    index = text[letter];
  }
  return index;
}

bool has_letter(std::string_view text, char letter) {
  return with_letter(text, letter, '?') != text;
}

void name_index_alike(std::string& answer, const std::string& gold) {
  const char given = index_of(answer);
  const char wanted = index_of(gold);
  if (given == 0 || wanted == 0 || given == wanted) return;
  // A letter with another meaning on the other side stays what it is.
  if (has_letter(answer, wanted) || has_letter(gold, given)) return;
  answer = with_letter(answer, given, wanted);
}

}  // namespace

std::string with_letter(std::string_view formula, char from, char to) {
  std::string out;
  for (std::size_t i = 0; i < formula.size(); ++i) {
    if (formula[i] == '\\') {
      std::size_t end = i + 1;
      while (end < formula.size() && is_letter(formula[end])) ++end;
      const bool words = formula.compare(i, 5, "\\text") == 0 && end < formula.size();
      if (words && formula[end] == '{') end += closing_brace(formula.substr(end + 1)) + 1;
      end = std::min(end, formula.size());
      out += formula.substr(i, end - i);
      i = end - 1;
    } else {
      out += formula[i] == from ? to : formula[i];
    }
  }
  return out;
}

void name_alike(std::string& answer, const std::string& gold) {
  name_constant_alike(answer, gold);
  name_index_alike(answer, gold);
}

}  // namespace urpo::answers
