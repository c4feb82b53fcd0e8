#include "value_words.hpp"

#include <cstdint>
#include <unordered_set>

#include "characters.hpp"
#include "lexicon.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

using Words = std::unordered_set<std::string_view>;

// Numbers that the lexicon does not have. "second" is a unit of time as well, and left to the
// units.
const Words& numbers() {
  static const Words words = {
      "zero",        "one",        "two",        "three",      "four",      "five",
      "six",         "seven",      "eight",      "nine",       "ten",       "eleven",
      "twelve",      "thirteen",   "fourteen",   "fifteen",    "sixteen",   "seventeen",
      "eighteen",    "nineteen",   "twenty",     "thirty",     "forty",     "fourty",
      "fifty",       "sixty",      "seventy",    "eighty",     "ninety",    "quadrillion",
      "score",       "gross",      "lakh",       "crore",      "bn",        "mn",
      "myriad",      "first",      "sixth",      "seventh",    "eighth",    "ninth",
      "eleventh",    "twelfth",    "thirteenth", "fourteenth", "fifteenth", "sixteenth",
      "seventeenth", "eighteenth", "nineteenth", "twentieth",  "thirtieth", "fortieth",
      "fiftieth",    "sixtieth",   "seventieth", "eightieth",  "ninetieth", "hundredth",
      "thousandth",  "millionth",  "billionth",  "trillionth", "k",         "sixes",
      "twenties",    "nth",        "th"};
  return words;
}

// What is done with a number in an answer of few words; in a sentence these say other things too.
const Words& operations() {
  static const Words words = {
      "multiplied", "square",    "cube",      "inverse", "negated",     "opposite", "quadrupled",
      "quadruple",  "halved",    "binary",    "hex",     "hexadecimal", "octal",    "exp",
      "more",       "fewer",     "than",      "under",   "beyond",      "off",      "exponent",
      "raised",     "increased", "decreased", "added",   "subtracted",  "greater",  "smaller",
      "larger",     "bigger",    "higher",    "lower",   "extra",       "others",   "remainder"};
  return words;
}

// What doubts or bounds a number. The senses of the lexicon would not do: "candidates" and
// "divisors" make a sentence doubtful, behind a number they are what is counted.
const Words& reservations() {
  static const Words words = {
      "about",     "all",         "almost",    "any",         "approx",     "approximately",
      "are",       "around",      "assuming",  "between",     "but",        "circa",
      "discarded", "doubt",       "doubtful",  "down",        "either",     "enough",
      "equals",    "error",       "etc",       "every",       "exceeds",    "except",
      "excepting", "excluded",    "excluding", "exclusive",   "extraneous", "fails",
      "fake",      "false",       "falsely",   "for",         "guess",      "guessed",
      "guesses",   "ignored",     "imaginary", "incorrectly", "instead",    "is",
      "least",     "likely",      "max",       "maybe",       "min",        "misses",
      "missing",   "mistake",     "mistaken",  "most",        "nearly",     "no",
      "none",      "nonexistent", "nope",      "omitted",     "only",       "onwards",
      "or",        "perhaps",     "possibly",  "probably",    "rejected",   "removed",
      "roughly",   "should",      "so",        "some",        "suppose",    "supposedly",
      "then",      "too",         "undefined", "unknown",     "unsure",     "up",
      "upwards",   "was",         "when",      "whenever",    "where",      "with",
      "without",   "would"};
  return words;
}

// "five", "fifties", "tenfold", "zillion"
bool is_number_word(std::string_view word) {
  if (word == "zeros" || word == "ones") return false;  // digits that are counted
  if (numbers().count(word) != 0) return true;
  if (ends_with(word, "s") && numbers().count(word.substr(0, word.size() - 1)) != 0) return true;
  for (const std::string_view end : {"fold", "illion", "illions"}) {
    if (word.size() > end.size() && ends_with(word, end)) return true;
  }
  return false;
}

}  // namespace

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
  constexpr std::uint32_t kChanges =
      kArithmetic | kModifies | kDenies | kConditions | kRejects | kModal;
  return has_sense(word, kChanges) || is_number_word(word) || operations().count(word) != 0 ||
         reservations().count(word) != 0 || (word.size() > 3 && ends_with(word, "n't"));
}

}  // namespace urpo::answers
