// The words of answers: functions, units of measure, LaTeX commands that only set type.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "rational.hpp"

namespace urpo::answers {

// "sin", "arctan", "log", "gcd", ..., without backslash.
bool is_function_name(std::string_view name);

// "text", "mathrm", "mbox", ...: the argument is what is meant.
bool is_text_command(std::string_view name);

// "pmatrix", "array", "cases", ...
bool is_environment(std::string_view name);

// The name that stands for all commands of one meaning: "frac" for "dfrac"; empty for commands that
// only set type.
std::string_view command_meaning(std::string_view name);

// A command that means something besides functions and letters: "frac", "cup", "infty", ...
bool is_meaningful_command(std::string_view name);

// The unit of a currency sign beyond the dollar: "euro"; empty for anything else.
std::string_view currency_of_sign(std::string_view sign);

// "theta", "alpha", ...
bool is_greek_letter(std::string_view name);

// A unit of measure as a multiple of base units: "cm" is 1/100 of length^1.
struct Unit {
  Rational factor = 1;
  std::map<std::string, int> dimensions;

  friend bool operator==(const Unit& a, const Unit& b) {
    return a.factor == b.factor && a.dimensions == b.dimensions;
  }
};

// By name, abbreviation or plural, in any case where the name is a word.
std::optional<Unit> find_unit(std::string_view name);

}  // namespace urpo::answers
