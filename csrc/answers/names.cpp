#include "names.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "characters.hpp"
#include "chinese_units.hpp"

namespace urpo::answers {
namespace {

using Names = std::unordered_set<std::string_view>;

struct Measure {
  const char* dimension;
  std::int64_t numerator;
  std::int64_t denominator;
};

const std::unordered_map<std::string_view, Measure>& measures() {
  static const std::unordered_map<std::string_view, Measure> table = {
      {"mm", {"length", 1, 1000}},
      {"millimeter", {"length", 1, 1000}},
      {"millimetre", {"length", 1, 1000}},
      {"cm", {"length", 1, 100}},
      {"centimeter", {"length", 1, 100}},
      {"centimetre", {"length", 1, 100}},
      {"dm", {"length", 1, 10}},
      {"m", {"length", 1, 1}},
      {"meter", {"length", 1, 1}},
      {"metre", {"length", 1, 1}},
      {"km", {"length", 1000, 1}},
      {"kilometer", {"length", 1000, 1}},
      {"kilometre", {"length", 1000, 1}},
      {"in", {"length", 254, 10000}},
      {"inch", {"length", 254, 10000}},
      {"inches", {"length", 254, 10000}},
      {"ft", {"length", 3048, 10000}},
      {"foot", {"length", 3048, 10000}},
      {"feet", {"length", 3048, 10000}},
      {"yd", {"length", 9144, 10000}},
      {"yard", {"length", 9144, 10000}},
      {"mi", {"length", 1609344, 1000}},
      {"mile", {"length", 1609344, 1000}},
      {"s", {"time", 1, 1}},
      {"sec", {"time", 1, 1}},
      {"second", {"time", 1, 1}},
      {"min", {"time", 60, 1}},
      {"minute", {"time", 60, 1}},
      {"h", {"time", 3600, 1}},
      {"hr", {"time", 3600, 1}},
      {"hour", {"time", 3600, 1}},
      {"hrs", {"time", 3600, 1}},
      {"day", {"time", 86400, 1}},
      {"week", {"time", 604800, 1}},
      {"month", {"month", 1, 1}},
      {"year", {"month", 12, 1}},
      {"yrs", {"month", 12, 1}},
      {"g", {"mass", 1, 1000}},
      {"gram", {"mass", 1, 1000}},
      {"kg", {"mass", 1, 1}},
      {"kilogram", {"mass", 1, 1}},
      {"mg", {"mass", 1, 1000000}},
      {"ton", {"ton", 1, 1}},
      {"lb", {"mass", 45359237, 100000000}},
      {"lbs", {"mass", 45359237, 100000000}},
      {"pound", {"mass", 45359237, 100000000}},
      {"oz", {"ounce", 1, 1}},
      {"ounce", {"ounce", 1, 1}},
      {"liter", {"volume", 1, 1}},
      {"litre", {"volume", 1, 1}},
      {"l", {"volume", 1, 1}},
      {"L", {"volume", 1, 1}},
      {"ml", {"volume", 1, 1000}},
      {"mL", {"volume", 1, 1000}},
      {"milliliter", {"volume", 1, 1000}},
      {"gallon", {"gallon", 1, 1}},
      {"cup", {"cup", 1, 1}},
      {"dollar", {"dollar", 1, 1}},
      {"usd", {"dollar", 1, 1}},
      {"buck", {"dollar", 1, 1}},
      {"cent", {"dollar", 1, 100}},
      {"euro", {"euro", 1, 1}},
      {"yuan", {"yuan", 1, 1}},
      {"rupee", {"rupee", 1, 1}},
      {"yen", {"yen", 1, 1}},
      {"canadian dollar", {"canadian dollar", 1, 1}},
      {"ruble", {"ruble", 1, 1}},
      {"degree", {"degree", 1, 1}},
      {"deg", {"degree", 1, 1}},
      {"celsius", {"celsius", 1, 1}},
      {"fahrenheit", {"fahrenheit", 1, 1}},
      {"radian", {"radian", 1, 1}},
      {"rad", {"radian", 1, 1}},
      {"J", {"joule", 1, 1}},
      {"joule", {"joule", 1, 1}},
      {"W", {"watt", 1, 1}},
      {"watt", {"watt", 1, 1}},
      {"N", {"newton", 1, 1}},
      {"newton", {"newton", 1, 1}},
      {"V", {"volt", 1, 1}},
      {"volt", {"volt", 1, 1}},
      {"Hz", {"hertz", 1, 1}},
      {"hertz", {"hertz", 1, 1}},
      {"kHz", {"hertz", 1000, 1}},
      {"kJ", {"joule", 1000, 1}},
      {"kW", {"watt", 1000, 1}},
      {"kN", {"newton", 1000, 1}},
      {"Pa", {"pascal", 1, 1}},
      {"pascal", {"pascal", 1, 1}},
      {"kPa", {"pascal", 1000, 1}},
      {"ohm", {"ohm", 1, 1}},
      {"ampere", {"ampere", 1, 1}},
      {"amp", {"ampere", 1, 1}},
      {"kelvin", {"kelvin", 1, 1}},
      {"mol", {"mole", 1, 1}},
      {"mole", {"mole", 1, 1}},
      {"kWh", {"kilowatt hour", 1, 1}},
      {"acre", {"acre", 1, 1}},
      {"hectare", {"hectare", 1, 1}},
      {"pint", {"pint", 1, 1}},
      {"quart", {"quart", 1, 1}},
      {"rpm", {"rpm", 1, 1}},
  };
  return table;
}

// Commands with another name for what they mean, and those that only set type (empty).
const std::unordered_map<std::string_view, std::string_view>& aliases() {
  static const std::unordered_map<std::string_view, std::string_view> table = {
      {"dfrac", "frac"},
      {"tfrac", "frac"},
      {"cfrac", "frac"},
      {"nicefrac", "frac"},
      {"sfrac", "frac"},
      {"bar", "overline"},
      {"le", "<="},
      {"leq", "<="},
      {"leqslant", "<="},
      {"leqq", "<="},
      {"ge", ">="},
      {"geq", ">="},
      {"geqslant", ">="},
      {"geqq", ">="},
      {"ne", "!="},
      {"neq", "!="},
      {"lt", "<"},
      {"gt", ">"},
      {"times", "*"},
      {"cdot", "*"},
      {"ast", "*"},
      {"div", "/"},
      {"infinity", "infty"},
      {"inf", "infty"},
      {"dbinom", "binom"},
      {"tbinom", "binom"},
      {"varnothing", "emptyset"},
      {"backslash", "setminus"},
      {"lvert", "|"},
      {"rvert", "|"},
      {"vert", "|"},
      {"mid", "|"},
      {"langle", "langle"},
      {"rangle", "rangle"},
      {"colon", ":"},
      {"ratio", ":"},
      {"lbrack", "["},
      {"rbrack", "]"},
      {"lparen", "("},
      {"rparen", ")"},
      {"prime", "'"},
      {"lg", "log"},
      {"thickapprox", "approx"},
      {"simeq", "approx"},
      {"vee", "or"},
      {"wedge", "and"},
      {"lor", "or"},
      {"land", "and"},
      {"arcsin", "arcsin"},
      {"tg", "tan"},
      {"left", ""},
      {"therefore", ""},
      {"right", ""},
      {"big", ""},
      {"Big", ""},
      {"bigl", ""},
      {"bigr", ""},
      {"Bigl", ""},
      {"Bigr", ""},
      {"bigg", ""},
      {"Bigg", ""},
      {"biggl", ""},
      {"biggr", ""},
      {"middle", ""},
      {"displaystyle", ""},
      {"textstyle", ""},
      {"limits", ""},
      {"nolimits", ""},
      {"quad", ""},
      {"qquad", ""},
      {"hspace", ""},
      {"thinspace", ""},
      {"phantom", ""},
      {"rm", ""},
      {"tiny", ""},
      {"small", ""},
      {"normalsize", ""},
      {"large", ""},
      {"Large", ""},
      {"LARGE", ""},
      {"huge", ""},
      {"Huge", ""},
      {"bf", ""},
      {"it", ""},
  };
  return table;
}

const std::unordered_set<std::string_view>& meaningful() {
  static const std::unordered_set<std::string_view> names = {
      "frac",    "sqrt",     "pi",       "infty",  "cup",    "cap",   "setminus",
      "in",      "emptyset", "binom",    "approx", "pm",     "mp",    "degree",
      "angle",   "triangle", "overline", "vec",    "hat",    "bar",   "overrightarrow",
      "widehat", "langle",   "rangle",   "lfloor", "rfloor", "lceil", "rceil",
      "imath",   "circ"};
  return names;
}

}  // namespace

bool is_function_name(std::string_view name) {
  static const Names names = {"sin",    "cos",    "tan",   "cot",      "sec",  "csc", "arcsin",
                              "arccos", "arctan", "sinh",  "cosh",     "tanh", "log", "ln",
                              "lg",     "exp",    "sqrt",  "gcd",      "lcm",  "max", "min",
                              "inf",    "pi",     "infty", "infinity", "det",  "mod"};
  return names.count(name) != 0;
}

bool is_text_command(std::string_view name) {
  static const Names names = {
      "text",         "mbox",       "textbf", "textit", "textrm", "textnormal", "textsf",
      "texttt",       "hbox",       "mathrm", "mathbf", "mathit", "mathsf",     "mathtt",
      "operatorname", "boldsymbol", "bm",     "rm",     "bf",     "emph",       "underline"};
  return names.count(name) != 0;
}

bool is_environment(std::string_view name) {
  static const Names names = {"matrix", "pmatrix", "bmatrix", "vmatrix",  "smallmatrix", "array",
                              "cases",  "aligned", "align",   "gathered", "Bmatrix"};
  return names.count(name) != 0;
}

bool is_greek_letter(std::string_view name) {
  static const Names names = {
      "alpha",    "beta",    "gamma", "delta",  "epsilon", "varepsilon", "zeta",  "eta",   "theta",
      "vartheta", "iota",    "kappa", "lambda", "mu",      "nu",         "xi",    "rho",   "sigma",
      "tau",      "upsilon", "phi",   "varphi", "chi",     "psi",        "omega", "Gamma", "Delta",
      "Theta",    "Lambda",  "Xi",    "Pi",     "Sigma",   "Phi",        "Psi",   "Omega", "ell"};
  return names.count(name) != 0;
}

std::string_view currency_of_sign(std::string_view sign) {
  for (const auto& [known, currency] :
       {std::pair("\u20AC", "euro"), std::pair("\u00A3", "pound"), std::pair("\u00A5", "yuan"),
        std::pair("\u20B9", "rupee"), std::pair("\u00A2", "cent"), std::pair("\u20BD", "ruble")}) {
    if (sign == known) return currency;
  }
  return {};
}

std::string_view command_meaning(std::string_view name) {
  const auto alias = aliases().find(name);
  return alias == aliases().end() ? name : alias->second;
}

bool is_meaningful_command(std::string_view name) { return meaningful().count(name) != 0; }

std::optional<Unit> find_unit(std::string_view name) {
  const auto look_up = [](std::string_view key) -> std::optional<Unit> {
    const auto found = measures().find(key);
    if (found == measures().end()) return std::nullopt;
    const Measure& measure = found->second;
    return Unit{Rational(BigInt(measure.numerator), BigInt(measure.denominator)),
                {{measure.dimension, 1}}};
  };
  if (!name.empty() && is_high(name.front())) {
    const ChineseUnit chinese = chinese_unit(name);
    auto unit = look_up(chinese.name);
    if (!unit) return std::nullopt;
    const Rational factor = unit->factor;
    for (int i = 1; i < chinese.power; ++i) unit->factor = unit->factor * factor;
    for (auto& [dimension, exponent] : unit->dimensions) exponent *= chinese.power;
    return unit;
  }
  if (auto unit = look_up(name)) return unit;
  for (const auto& [speed, length] :
       {std::pair("mph", 1609344), std::pair("kph", 1000000), std::pair("kmh", 1000000)}) {
    if (name == speed)
      return Unit{Rational(BigInt(length), BigInt(3600000)), {{"length", 1}, {"time", -1}}};
  }
  if (name.size() < 3) return std::nullopt;
  std::string word(name);
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (auto unit = look_up(word)) return unit;
  if (word.back() != 's' || word.size() < 4) return std::nullopt;
  word.pop_back();
  return look_up(word);
}

}  // namespace urpo::answers
