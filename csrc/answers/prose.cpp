#include "prose.hpp"

#include <algorithm>
#include <array>

#include "characters.hpp"
#include "names.hpp"
#include "words.hpp"

namespace urpo::answers {
namespace {

// A sentence with one of these says something else than that its number is the answer.
constexpr std::array kReservations = {
    "not",   "never", "neither", "nor",     "cannot",  "or",    "either", "except",    "than",
    "least", "most",  "between", "unknown", "unclear", "wrong", "about",  "incorrect", "if",
    "maybe", "guess", "perhaps", "roughly", "almost",  "nearly"};

// With one of these the number is part of another, written in words: "12 thousand", "half of 12".
constexpr std::array kArithmetic = {
    "minus",   "plus",    "times",   "divided",  "half",    "twice",   "double",  "triple",
    "quarter", "quarters", "dozen",  "dozens",   "hundred", "thousand", "million", "billion",
    "percent", "squared", "cubed",   "negative", "over",    "factorial", "root",  "power",
    "third",   "thirds",  "halves",  "fold",     "modulo",  "base",    "another", "other",
    "tenths",  "tenth",   "hundredths", "fifths", "sixths",  "eighths", "point",   "trillion"};

// A number behind one of these is the name of a thing: "step 5".
constexpr std::array kLabelled = {"step",    "case",    "part",     "chapter", "section", "page",
                                  "problem", "example", "question", "figure",  "table",   "equation",
                                  "line",    "rule",    "method",   "theorem", "lemma",   "formula",
                                  "row",     "column",  "item",     "exercise"};

bool is_labelled(std::string_view before_number) {
  before_number = trimmed(before_number);
  std::size_t begin = before_number.size();
  while (begin > 0 && is_letter(before_number[begin - 1])) --begin;
  const std::string_view word = before_number.substr(begin);
  return std::any_of(kLabelled.begin(), kLabelled.end(),
                     [&](std::string_view label) { return contains_word(word, label); });
}

bool has_reservation(std::string_view sentence) {
  const auto is_there = [&](std::string_view word) { return contains_word(sentence, word); };
  return sentence.find("n't") != std::string_view::npos ||
         std::any_of(kReservations.begin(), kReservations.end(), is_there) ||
         std::any_of(kArithmetic.begin(), kArithmetic.end(), is_there);
}

bool is_number_character(std::string_view text, std::size_t at) {
  if (is_digit(text[at])) return true;
  // A point or comma between digits.
  return (text[at] == '.' || text[at] == ',') && at > 0 && is_digit(text[at - 1]) &&
         at + 1 < text.size() && is_digit(text[at + 1]);
}

}  // namespace

std::optional<std::string> sole_number(std::string_view sentence) {
  if (sentence.find_first_of("\\^=<>|{}[]/*+") != std::string_view::npos) return std::nullopt;
  if (count_words(sentence, 1) == 0 || has_reservation(sentence)) return std::nullopt;
  std::optional<std::string> number;
  for (std::size_t at = 0; at < sentence.size();) {
    if (!is_digit(sentence[at])) {
      ++at;
      continue;
    }
    if (number) return std::nullopt;
    std::size_t end = at;
    while (end < sentence.size() && is_number_character(sentence, end)) ++end;
    const bool negative = at > 0 && sentence[at - 1] == '-';
    const std::size_t sign = negative ? at - 1 : at;
    const bool is_apart = sign == 0 || is_space(sentence[sign - 1]) || sentence[sign - 1] == '$' ||
                          sentence[sign - 1] == '(' || sentence[sign - 1] == ':';
    const char next = end < sentence.size() ? sentence[end] : ' ';
    if (!is_apart || is_letter(next) || is_high(next)) return std::nullopt;
    if (is_labelled(sentence.substr(0, sign))) return std::nullopt;
    number = std::string(sentence.substr(sign, end - sign));
    if (next == '%') *number += '%';
    at = end;
  }
  return number;
}

std::optional<std::string> leading_choice(std::string_view sentence) {
  for (const std::string_view sure : {"for sure ", "definitely ", "certainly ", "probably "}) {
    if (sentence.substr(0, sure.size()) == sure) sentence = trimmed(sentence.substr(sure.size()));
  }
  if (sentence.size() < 2 || sentence.front() < 'A' || sentence.front() > 'J') return std::nullopt;
  if (sentence[1] != ',' && sentence[1] != ';') return std::nullopt;
  // "A, B": a list. What explains the choice begins with a word.
  const std::string_view rest = trimmed(sentence.substr(2));
  std::size_t word = 0;
  while (word < rest.size() && is_letter(rest[word])) ++word;
  if (word < 2) return std::nullopt;
  for (const std::string_view joint : {"or", "and", "but", "maybe"}) {
    if (rest.substr(0, word) == joint) return std::nullopt;
  }
  return std::string(1, sentence.front());
}

bool is_bare_number(std::string_view gold) {
  bool digit = false;
  for (const char c : gold) {
    digit = digit || is_digit(c);
    if (!is_digit(c) && !is_space(c) && std::string_view(".,-+$%\\").find(c) == std::string_view::npos)
      return false;
  }
  return digit;
}

}  // namespace urpo::answers
