#include "residue.hpp"

#include <algorithm>

#include "bigint.hpp"
#include "characters.hpp"
#include "notation.hpp"
#include "scan.hpp"
#include "words.hpp"

namespace urpo::answers {
namespace {

std::string_view without_end(std::string_view text, std::string_view end) {
  return ends_with(text, end) ? trimmed(text.substr(0, text.size() - end.size())) : text;
}

// The side of an equation that says the value, if the other is a letter.
std::optional<std::string> integer_of(std::string_view value, std::string& name) {
  const std::size_t equals = value.find('=');
  if (equals != std::string_view::npos) {
    name = squeezed(trimmed(value.substr(0, equals)));
    if (name.size() != 1) return std::nullopt;
    value = value.substr(equals + 1);
  }
  return plain_integer(trimmed(value));
}

BigInt signed_integer(const std::string& digits) {
  return digits.front() == '-' ? -BigInt::from_decimal(digits.substr(1))
                               : BigInt::from_decimal(digits);
}

}  // namespace

std::optional<Residue> read_residue(std::string_view text) {
  text = trimmed(text);
  // Of the last brace or parenthesis: the modulus before it.
  const bool braced = ends_with(text, "}");
  const bool closed = ends_with(text, ")");
  std::string_view head = braced || closed ? text.substr(0, text.size() - 1) : text;
  head = trimmed(without_end(head, "\\right"));
  std::size_t digits = head.size();
  while (digits > 0 && is_digit(head[digits - 1])) --digits;
  const std::string_view modulus = head.substr(digits);
  if (modulus.empty() || modulus.size() > 40) return std::nullopt;
  head = trimmed(head.substr(0, digits));
  if (braced) {
    if (!ends_with(head, "\\pmod{") && !ends_with(head, "\\pmod {")) return std::nullopt;
    head = without_end(trimmed(head.substr(0, head.size() - 1)), "\\pmod");
  } else if (closed) {
    bool found = false;
    for (const std::string_view word :
         {"\\bmod", "\\mod", "\\text{mod}", "\\text{mod }", "\\operatorname{mod}", "mod"}) {
      if (!ends_with(head, word)) continue;
      head = without_end(head, word);
      found = true;
      break;
    }
    if (!found || !ends_with(head, "(")) return std::nullopt;
    head = without_end(without_end(head, "("), "\\left");
  } else {
    // "17 \\bmod 5" is 2; behind a congruence it is the modulus.
    const bool congruence = head.find("\\equiv") != std::string_view::npos;
    bool found = false;
    for (const std::string_view word : {"\\pmod", "\\bmod", "\\mod"}) {
      if (found || !ends_with(head, word) || (word != "\\pmod" && !congruence)) continue;
      head = without_end(head, word);
      found = true;
    }
    if (!found) return std::nullopt;
  }
  Residue residue{std::string(trimmed(head)), std::string(modulus)};
  const std::string_view relation = "\\equiv";
  const std::size_t at = residue.value.find(relation);
  residue.is_class = at != std::string::npos;
  if (residue.is_class) residue.value.replace(at, relation.size(), "= ");
  if (residue.value.empty()) return std::nullopt;
  return residue;
}

std::optional<bool> congruent(const Residue& a, const Residue& b) {
  std::string a_name;
  std::string b_name;
  const auto x = integer_of(a.value, a_name);
  const auto y = integer_of(b.value, b_name);
  if (!x || !y || (!a_name.empty() && !b_name.empty() && a_name != b_name)) return std::nullopt;
  const BigInt modulus = BigInt::from_decimal(a.modulus);
  if (modulus.is_zero() || x->size() > 1000 || y->size() > 1000) return std::nullopt;
  return ((signed_integer(*x) - signed_integer(*y)) % modulus).is_zero();
}

}  // namespace urpo::answers
