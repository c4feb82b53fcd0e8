#include "library_scope.hpp"

#include <algorithm>
#include <map>

#include "characters.hpp"
#include "names.hpp"
#include "notation.hpp"

namespace urpo::answers {
namespace {

// How often letters and primes occur, command names and text left out, and what stands before an
// equals sign, which may name the value.
std::map<char, int> letters_of(const std::string& text) {
  std::map<char, int> count;
  const std::size_t equals = text.rfind('=');
  for (std::size_t i = equals == std::string::npos ? 0 : equals + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      const std::size_t begin = i + 1;
      while (i + 1 < text.size() && is_letter(text[i + 1])) ++i;
      if (is_text_command(text.substr(begin, i + 1 - begin)) && i + 1 < text.size() &&
          text[i + 1] == '{') {
        const std::size_t length = closing_brace(std::string_view(text).substr(i + 2));
        i = length == std::string::npos ? text.size() : i + 2 + length;
      }
    } else if (text[i] == '\'' || is_letter(text[i])) {
      ++count[text[i]];
    }
  }
  return count;
}

// The library reads over primes, over the second argument of a function, and over what it takes
// for units: it is not asked about other names.
bool names_the_same(const std::string& answer, const std::string& gold) {
  const std::map<char, int> given = letters_of(answer);
  const std::map<char, int> wanted = letters_of(gold);
  const auto primes = [](const std::map<char, int>& letters) {
    const auto found = letters.find('\'');
    return found == letters.end() ? 0 : found->second;
  };
  if (primes(given) != primes(wanted)) return false;
  return std::all_of(wanted.begin(), wanted.end(),
                     [&](const auto& entry) { return given.count(entry.first) != 0; }) &&
         std::all_of(given.begin(), given.end(),
                     [&](const auto& entry) { return wanted.count(entry.first) != 0; });
}

// "(1\ 2\ 3)": numbers that nothing separates but spaces, which make one number to the library.
bool spaces_numbers(const std::string& text) {
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (is_space(text[i]) && is_digit(text[i - 1]) && is_digit(text[i + 1])) return true;
  }
  return false;
}

}  // namespace

bool is_matrix_product(const std::string& text) {
  for (const std::string_view transposed : {"^T", "^{T}", "^\\top", "^{\\top}"}) {
    const std::size_t at = text.find(transposed);
    if (at != std::string::npos && at > 0 && text[at - 1] >= 'A' && text[at - 1] <= 'Z')
      return true;
  }
  return false;
}

bool is_statement(const std::string& text) {
  const bool probability =
      text.find("P(") != std::string::npos || text.find("\\Pr") != std::string::npos;
  if (probability && text.find('|') != std::string::npos) return true;
  for (const std::string_view command :
       {"\\neg", "\\lnot", "\\to", "\\rightarrow", "\\leftrightarrow", "\\Rightarrow", "\\subset",
        "\\supset", "\\perp", "\\parallel", "\\mid", "\\nmid", "\\notin", "\\sim", "\\cong",
        "\\land", "\\lor", "\\wedge", "\\vee"}) {
    const std::size_t at = text.find(command);
    if (at == std::string::npos) continue;
    const std::size_t end = at + command.size();
    if (end >= text.size() || !is_letter(text[end]) || text.compare(end, 2, "eq") == 0) return true;
  }
  return false;
}

bool is_read_in_part(const std::string& answer, const std::string& gold) {
  for (const std::string_view partial : {"dots", "...", "\\begin{cases}", "!!"}) {
    if (answer.find(partial) != std::string::npos || gold.find(partial) != std::string::npos)
      return true;
  }
  const std::size_t matrix = gold.find("\\begin{");
  if (matrix != std::string::npos && gold.find("\\begin{", matrix + 1) != std::string::npos)
    return true;
  return !names_the_same(answer, gold) || spaces_numbers(answer) || spaces_numbers(gold);
}

}  // namespace urpo::answers
