// Answers modulo a number: "7 \pmod{12}".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace urpo::answers {

struct Residue {
  std::string value;      // what stands before, with "=" for "\equiv"
  std::string modulus;    // digits
  bool is_class = false;  // "x \equiv 7 \pmod{12}": of all such x, unlike the remainder of one
};

// Reads "7 \pmod{12}", "x \equiv 7 \pmod{12}", "7 (mod 12)", "x \equiv 7 \bmod 12"; nothing for "17
// \bmod 5", which is an operation, and for what has no modulus.
std::optional<Residue> read_residue(std::string_view normalized_text);

// Whether two integers are congruent; nothing unless both values are integers, or say the same
// name's.
std::optional<bool> congruent(const Residue& a, const Residue& b);

}  // namespace urpo::answers
