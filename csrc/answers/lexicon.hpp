// What words of a response do to the answer beside them.
#pragma once

#include <cstdint>
#include <string_view>

namespace urpo::answers {

// A word may have several: "if" begins a reason and supposes.
enum Sense : std::uint32_t {
  kDenies = 1U << 0U,       // "not 5"
  kRejects = 1U << 1U,      // "that is wrong": the sentence says nothing then
  kFaults = 1U << 2U,       // "by mistake": denies within its clause
  kConditions = 1U << 3U,   // "if it is 5"
  kSupposes = 1U << 4U,     // "suppose it is 5"
  kDoubts = 1U << 5U,       // "perhaps 5"
  kModal = 1U << 6U,        // "it could be 5"
  kBounds = 1U << 7U,       // "at least 5", "5 or"; also what is no statement: "find 5"
  kArithmetic = 1U << 8U,   // the number is part of another: "half of 5", "minus 5"
  kModifies = 1U << 9U,     // the same, right behind a number: "5 squared", "5 below zero"
  kFunction = 1U << 10U,    // the same, with "of": "the square of 5"
  kLabels = 1U << 11U,      // the number is a name: "step 5"
  kReason = 1U << 12U,      // behind a value, begins a reason or a condition
  kWeakReason = 1U << 13U,  // does so only behind a comma: "12 seats as well" goes on
  kVerb = 1U << 14U,        // the value follows: "is", "gives"
  kConnective = 1U << 15U,  // "therefore"
  kStep = 1U << 16U,        // begins a step on the way: "then 5 remain"
  kBelies = 1U << 17U,      // before "answer is", makes the announcement none: "a common answer is"
  kOpinion = 1U << 18U,     // what others hold: "many think the answer is 5"
  kTurn = 1U << 19U,        // begins what takes an answer back or offers another: "wait", "or"
  kPlain = 1U << 20U,       // may stand between a turn and a value: "or it is 6"
  kHesitates = 1U << 21U,   // "wait": what is said in the end counts
  kOffers = 1U << 22U,      // between two answers: neither is given
  kScales = 1U << 23U,      // "5 thousand"
  kErrs = 1U << 24U,        // "a mistake": what was said is none
};

// Of any of the senses, in lower case. Words in English, and what denies in other languages.
bool has_sense(std::string_view word, std::uint32_t senses);

// "many believe the answer is 5" is theirs; "I think", "we may say" are the response's own.
bool is_opinion_of_others(std::string_view word, std::string_view word_before);

// Parts of words that deny, bound or suppose in scripts without spaces.
bool has_ideographic_reservation(std::string_view word);

}  // namespace urpo::answers
