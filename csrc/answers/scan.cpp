#include "scan.hpp"

namespace urpo::answers {
namespace {

// Whether the full stop at `at` ends a short form: "i.e.", "e.g.", "vs."
bool ends_short_form(std::string_view text, std::size_t at) {
  std::size_t begin = at;
  while (begin > 0 && (is_letter(text[begin - 1]) || text[begin - 1] == '.')) --begin;
  const std::string_view word = text.substr(begin, at - begin);
  for (const std::string_view form : {"i.e", "e.g", "vs", "mr", "mrs", "dr", "approx", "resp"}) {
    if (word.size() == form.size() && starts_with(word, form)) return true;
  }
  return false;
}

}  // namespace

std::size_t end_of_sentence(std::string_view text) {
  for (std::size_t i = 0; i < text.size() && i < kMaxSentence; ++i) {
    if (text[i] == '\n') return i;
    const char next = i + 1 < text.size() ? text[i + 1] : ' ';
    if (!is_space(next) && next != '*' && next != '"' && next != '<') continue;
    if (text[i] == '?' || (text[i] == '.' && !ends_short_form(text, i))) return i;
    // A factorial ends no sentence.
    if (text[i] == '!' && i > 0 && is_letter(text[i - 1]) && next != '*') {
      if (i < 2 || is_letter(text[i - 2])) return i;
    }
  }
  return head(text, kMaxSentence).size();
}

}  // namespace urpo::answers
