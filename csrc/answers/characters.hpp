// Characters and white space of answers, in ASCII whatever the locale.
#pragma once

#include <string_view>

namespace urpo::answers {

// In normalized text: a comma that groups digits for sure ("{,}", ",\!"), and a thin space.
inline constexpr char kGroupComma = '\x01';
inline constexpr char kThinSpace = '\x02';

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// A byte of a character beyond ASCII.
inline bool is_high(char c) { return (static_cast<unsigned char>(c) & 0x80U) != 0; }
inline bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == kThinSpace; }
inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace urpo::answers
