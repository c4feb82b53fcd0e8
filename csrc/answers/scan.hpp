// Where words and sentences of a response begin and end.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "characters.hpp"

namespace urpo::answers {

inline constexpr std::string_view kSpace = " \t\n\v\f\r";
inline constexpr std::size_t kMaxSentence = 400;  // of an answer behind a phrase

// Whether a byte goes on with a character of UTF-8.
inline bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// The first bytes of a text, and what is left of a character that begins in them.
inline std::string_view head(std::string_view text, std::size_t bytes) {
  std::size_t end = std::min(text.size(), bytes);
  while (end < text.size() && is_continuation(text[end])) ++end;
  return text.substr(0, end);
}

// The last bytes of a text, from the first character that begins in them.
inline std::string_view tail(std::string_view text, std::size_t bytes) {
  std::size_t begin = text.size() - std::min(text.size(), bytes);
  while (begin > 0 && begin < text.size() && is_continuation(text[begin])) ++begin;
  return text.substr(begin);
}

// Letter for letter, unlike starts_with.
inline bool begins_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

inline bool begins_with(std::string_view text, std::size_t at, std::string_view prefix) {
  return at <= text.size() && text.compare(at, prefix.size(), prefix) == 0;
}

inline bool ends_with(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

inline std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

// In any case: lower case letters expected in `prefix`.
inline bool starts_with(std::string_view text, std::string_view prefix) {
  if (text.size() < prefix.size()) return false;
  return std::equal(prefix.begin(), prefix.end(), text.begin(),
                    [](char a, char b) { return a == lower(b); });
}

// Whether `text` begins with the word, lower case letters expected in it.
inline bool starts_with_word(std::string_view text, std::string_view word) {
  return starts_with(text, word) && (text.size() == word.size() || !is_letter(text[word.size()]));
}

// The first full stop, question mark or line break that ends a sentence, not the point of a decimal
// or of an abbreviation.
std::size_t end_of_sentence(std::string_view text);

}  // namespace urpo::answers
