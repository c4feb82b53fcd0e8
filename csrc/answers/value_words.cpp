#include "value_words.hpp"

#include <algorithm>
#include <unordered_set>

#include "characters.hpp"

namespace urpo::answers {
namespace {

using Words = std::unordered_set<std::string_view>;

bool ends_with(std::string_view word, std::string_view end) {
  return word.size() > end.size() && word.substr(word.size() - end.size()) == end;
}

// "second" is a unit of time as well, and left to the units.
const Words& numbers() {
  static const Words words = {
      "zero",      "one",         "two",        "three",      "four",        "five",
      "six",       "seven",       "eight",      "nine",       "ten",         "eleven",
      "twelve",    "thirteen",    "fourteen",   "fifteen",    "sixteen",     "seventeen",
      "eighteen",  "nineteen",    "twenty",     "thirty",     "forty",       "fourty",
      "fifty",     "sixty",       "seventy",    "eighty",     "ninety",      "hundred",
      "thousand",  "million",     "billion",    "trillion",   "quadrillion", "dozen",
      "score",     "gross",       "lakh",       "crore",      "bn",          "mn",
      "myriad",    "half",        "halves",     "quarter",    "first",       "third",
      "fourth",    "fifth",       "sixth",      "seventh",    "eighth",      "ninth",
      "tenth",     "eleventh",    "twelfth",    "thirteenth", "fourteenth",  "fifteenth",
      "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth",   "thirtieth",
      "fortieth",  "fiftieth",    "sixtieth",   "seventieth", "eightieth",   "ninetieth",
      "hundredth", "thousandth",  "millionth",  "billionth",  "trillionth",  "k",
      "sixes",     "twenties",    "nth",        "th"};
  return words;
}

const Words& arithmetic() {
  static const Words words = {
      "minus",      "plus",        "times",    "divided",     "multiplied", "over",    "squared",
      "cubed",      "square",      "cube",     "factorial",   "root",       "inverse", "reciprocal",
      "negative",   "negated",     "opposite", "doubled",     "double",     "tripled", "triple",
      "quadrupled", "quadruple",   "halved",   "twice",       "thrice",     "modulo",  "mod",
      "base",       "binary",      "hex",      "hexadecimal", "octal",      "point",   "log",
      "ln",         "sqrt",        "exp",      "more",        "less",       "fewer",   "than",
      "above",      "below",       "under",    "beyond",      "short",      "shy",     "off",
      "power",      "exponent",    "raised",   "increased",   "decreased",  "added",   "subtracted",
      "successor",  "predecessor", "fold",     "greater",     "smaller",    "larger",  "bigger",
      "higher",     "lower",       "extra",    "another",     "other",      "others",  "remainder"};
  return words;
}

const Words& reservations() {
  static const Words words = {
      "not",       "no",          "never",       "none",        "nor",
      "neither",   "nope",        "cannot",      "without",     "except",
      "excepting", "excluding",   "excluded",    "exclusive",   "rejected",
      "discarded", "extraneous",  "removed",     "omitted",     "ignored",
      "missing",   "wrong",       "incorrect",   "incorrectly", "false",
      "falsely",   "invalid",     "impossible",  "unlikely",    "likely",
      "unknown",   "undefined",   "nonexistent", "imaginary",   "fake",
      "fails",     "mistake",     "mistaken",    "error",       "contradiction",
      "guess",     "guessed",     "guesses",     "maybe",       "perhaps",
      "possibly",  "probably",    "suppose",     "supposedly",  "assuming",
      "if",        "unless",      "when",        "whenever",    "where",
      "either",    "would",       "could",       "should",      "might",
      "may",       "but",         "only",        "about",       "approximately",
      "approx",    "around",      "roughly",     "almost",      "nearly",
      "circa",     "least",       "most",        "max",         "min",
      "up",        "upwards",     "down",        "onwards",     "so",
      "etc",       "any",         "all",         "every",       "some",
      "too",       "enough",      "is",          "are",         "was",
      "equals",    "exceeds",     "then",        "for",         "with",
      "between",   "instead",     "unsure",      "doubt",       "doubtful",
      "misses",    "contradicts", "or"};
  return words;
}

}  // namespace

bool is_number_word(std::string_view word) {
  if (word == "zeros" || word == "ones") return false;  // digits that are counted
  if (numbers().count(word) != 0) return true;
  if (ends_with(word, "s") && numbers().count(word.substr(0, word.size() - 1)) != 0) return true;
  return ends_with(word, "fold") || ends_with(word, "illion") || ends_with(word, "illions");
}

bool is_arithmetic_word(std::string_view word) { return arithmetic().count(word) != 0; }

bool is_reserving_word(std::string_view word) {
  return reservations().count(word) != 0 || ends_with(word, "n't");
}

bool changes_value(std::string_view word) {
  if (!word.empty() && is_high(word.front())) {
    if (word == "\u5343\u7c73" || word == "\u5343\u514b") return false;  // kilometres, kilograms
    // 10, 100, 1000, 10^4, 10^8, half, times, parts of, more than, not, wrong, or
    for (const std::string_view part :
         {"\u5341", "\u767e", "\u5343", "\u4e07", "\u842c", "\u4ebf", "\u5104", "\u534a", "\u500d",
          "\u5206\u4e4b", "\u591a", "\u4f59", "\u4e0d", "\u9519", "\u6216", "\u975e"}) {
      if (word.find(part) != std::string_view::npos) return true;
    }
    return false;
  }
  return is_number_word(word) || is_arithmetic_word(word) || is_reserving_word(word);
}

}  // namespace urpo::answers
