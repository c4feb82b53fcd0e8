#include "lexicon.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <unordered_map>

namespace urpo::answers {
namespace {

struct Entry {
  std::uint32_t senses;
  std::initializer_list<std::string_view> words;
};

const std::unordered_map<std::string_view, std::uint32_t>& lexicon() {
  static const std::unordered_map<std::string_view, std::uint32_t> table = [] {
    const std::initializer_list<Entry> entries = {
        {kDenies,
         {"not", "never", "neither", "nor", "cannot", "nobody", "noone", "unlikely", "nicht",
          "kein", "n'est", "pas", "n\u00e3o", "non", "\u043d\u0435", "\u043d\u0435\u0442"}},
        {kRejects,
         {"wrong", "incorrect", "impossible", "invalid", "contradicts", "contradict",
          "contradiction", "contradictory", "absurd", "misread"}},
        {kFaults,
         {"wrong", "incorrect", "impossible", "invalid", "contradiction", "false", "mistake",
          "mistaken", "mistakenly", "fails", "incorrectly", "wrongly", "erroneous", "inconsistent",
          "misleading"}},
        {kConditions, {"if", "unless", "whether"}},
        {kSupposes,
         {"suppose", "supposing", "assume", "assuming", "imagine", "pretend", "hypothetically"}},
        {kDoubts,
         {"maybe", "perhaps", "guess", "guessed", "might", "doubt", "unsure", "unknown", "unclear",
          "undetermined", "tempting", "candidate", "candidates", "try", "tried"}},
        {kModal, {"could", "might", "may"}},
        {kBounds,
         {"or",        "either",   "except",    "than",       "least",    "most",      "between",
          "about",     "roughly",  "almost",    "nearly",     "around",   "exceeds",   "exceed",
          "exceeding", "multiple", "multiples", "divisor",    "divides",  "divisible", "factor",
          "factors",   "divisors", "close",     "near",       "within",   "under",     "below",
          "above",     "beyond",   "depends",   "approaches", "differs",  "possibly",  "likely",
          "seems",     "find",     "check",     "excluding",  "could",    "excluded",  "besides",
          "instead",   "too",      "would",     "misses",     "bounded",  "no",        "none",
          "similar",   "contains", "barely",    "hardly",     "slightly", "rule",      "ruled",
          "mentions",  "mention",  "consider",  "verify",     "prove",    "compute",   "calculate",
          "solve",     "asks",     "asked",     "show",       "somewhere"}},
        {kArithmetic,
         {"minus",       "plus",        "times",      "divided", "half",    "twice", "double",
          "triple",      "quarter",     "negative",   "over",    "root",    "power", "thrice",
          "third",       "fold",        "modulo",     "base",    "another", "other", "tenth",
          "point",       "less",        "reciprocal", "fifth",   "fourth",  "mod",   "successor",
          "predecessor", "square-root", "log",        "ln",      "sin",     "cos",   "tan",
          "sqrt",        "quarters"}},
        {kArithmetic | kScales, {"dozen", "hundred", "thousand", "million", "billion", "trillion"}},
        {kArithmetic | kModifies,
         {"dozens", "hundreds", "thousands", "millions", "billions", "trillions"}},
        {kArithmetic | kModifies,
         {"squared", "cubed", "factorial", "halves", "halfs", "thirds", "fourths", "fifths",
          "sixths", "eighths", "tenths", "hundredths"}},
        {kModifies, {"below", "above", "fold", "tripled", "doubled", "shy", "short"}},
        {kFunction, {"square",  "cube",     "inverse", "opposite",   "reciprocal", "negative",
                     "half",    "double",   "triple",  "root",       "factorial",  "logarithm",
                     "sine",    "cosine",   "tangent", "complement", "multiple",   "multiples",
                     "divisor", "divisors", "factor",  "factors"}},
        {kLabels,
         {"step",     "case",    "part",  "chapter",  "section", "page",    "problem", "example",
          "question", "figure",  "table", "equation", "line",    "rule",    "method",  "theorem",
          "lemma",    "formula", "row",   "column",   "item",    "exercise"}},
        {kReason, {"because", "since",       "unless", "whereas",  "although", "though",   "where",
                   "which",   "as",          "while",  "when",     "provided", "if",       "making",
                   "meaning", "whose",       "who",    "once",     "leaving",  "assuming", "given",
                   "using",   "considering", "after",  "attained", "achieved"}},
        {kWeakReason, {"as", "while", "when", "after", "using", "given", "who", "whose", "once"}},
        {kVerb,
         {"is",       "are",   "was",  "were",   "be",   "equals",  "equal",  "becomes", "gives",
          "giving",   "give",  "get",  "gets",   "got",  "getting", "obtain", "obtains", "yields",
          "yield",    "costs", "cost", "namely", "i.e",  "it's",    "that's", "totals",  "obtained",
          "yielding", "est",   "ist",  "es",     "he's", "she's",   "get:",   "becoming"}},
        {kConnective, {"so", "hence", "thus", "therefore", "consequently", "accordingly"}},
        {kStep,
         {"then", "first", "next", "now", "let", "let's", "we'll", "try", "step", "second",
          "firstly", "secondly", "recall", "note"}},
        {kBelies,
         {"wrong",      "incorrect", "if",       "whether",   "guess",  "doubt",   "common",
          "false",      "mistaken",  "perhaps",  "maybe",     "unless", "invalid", "tempting",
          "bogus",      "alleged",   "supposed", "erroneous", "naive",  "wrongly", "incorrectly",
          "mistakenly", "nobody",    "noone",    "nothing",   "refuse", "mistake", "naively"}},
        {kOpinion, {"think", "thinks", "believe", "believes", "claim", "claims", "claimed"}},
        {kTurn, {"should",    "kidding",    "meant",     "wait",          "actually",
                 "however",   "but",        "or",        "alternatively", "otherwise",
                 "instead",   "correction", "oops",      "sorry",         "no",
                 "nope",      "hmm",        "maybe",     "perhaps",       "possibly",
                 "rather",    "versus",     "vs",        "either",        "though",
                 "yet",       "and/or",     "edit",      "update",        "erratum",
                 "precisely", "apologies",  "nevermind", "recomputing",   "recalculating"}},
        {kPlain, {"that",     "this",    "it",       "is",         "was",     "be",      "should",
                  "must",     "could",   "might",    "may",        "would",   "will",    "can",
                  "it's",     "that's",  "the",      "a",          "an",      "my",      "our",
                  "i",        "i'm",     "we",       "get",        "got",     "now",     "so",
                  "then",     "and",     "also",     "just",       "even",    "correct", "right",
                  "true",     "actual",  "real",     "final",      "value",   "answer",  "result",
                  "number",   "total",   "solution", "to",         "equal",   "equals",  "on",
                  "second",   "thought", "think",    "am",         "which",   "above",   "another",
                  "possible", "other",   "option",   "have",       "has",     "there",   "there's",
                  "made",     "realize", "realized", "notice",     "noticed", "hold",    "scratch",
                  "let",      "me",      "see",      "well",       "of",      "course",  "in",
                  "fact",     "been",    "more",     "reflection", "really"}},
        {kErrs,
         {"scratch", "wrong", "incorrect", "mistake", "mistakes", "mistaken", "error", "errors",
          "misread", "incorrectly", "wrongly", "erroneous", "miscalculated", "miscounted",
          "extraneous"}},
        {kHesitates, {"wait", "actually", "oops", "hmm", "sorry", "correction", "nope"}},
        {kOffers,
         {"or", "alternatively", "otherwise", "versus", "vs", "either", "maybe", "perhaps",
          "possibly", "another", "alternative", "alternate", "and/or", "if", "lor", "vee"}},
    };
    std::unordered_map<std::string_view, std::uint32_t> senses;
    for (const Entry& entry : entries) {
      for (const std::string_view word : entry.words) senses[word] |= entry.senses;
    }
    return senses;
  }();
  return table;
}

constexpr std::array kIdeographicReservations = {
    "\u4e0d\u662f", "\u81f3\u5c11", "\u81f3\u591a", "\u5927\u7ea6", "\u4e0d\u8d85\u8fc7",
    "\u8d85\u8fc7", "\u5927\u4e8e", "\u5c0f\u4e8e", "\u6216",       "\u5982\u679c",
    "\u5047\u8bbe", "\u5de6\u53f3", "\u53ef\u80fd", "\u9519",       "\u4e4b\u95f4",
    "\u4e0d\u7b49", "\u4e0d\u80fd", "\u4e0d\u5bf9", "\u975e",       "\u500d\u6570",
    "\u7ea6\u4e3a", "\u4e0d\u4e3a", "\u63a5\u8fd1", "\u5206\u4e4b", "\u8d1f"};

}  // namespace

bool has_sense(std::string_view word, std::uint32_t senses) {
  const auto found = lexicon().find(word);
  return found != lexicon().end() && (found->second & senses) != 0;
}

bool is_opinion_of_others(std::string_view word, std::string_view word_before) {
  if (!has_sense(word, kOpinion)) return false;
  for (const std::string_view own :
       {"i", "we", "i'd", "we'd", "i'll", "can", "to", "would", "and"}) {
    if (word_before == own) return false;
  }
  return true;
}

bool has_ideographic_reservation(std::string_view word) {
  return std::any_of(kIdeographicReservations.begin(), kIdeographicReservations.end(),
                     [&](std::string_view part) { return word.find(part) != word.npos; });
}

}  // namespace urpo::answers
