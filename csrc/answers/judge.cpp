#include "judge.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "equivalence.hpp"
#include "final_answer.hpp"
#include "prose.hpp"
#include "units.hpp"
#include "words.hpp"

namespace urpo::answers {
namespace {

// An answer beside which a unit stands, against a gold; in that unit if the gold has one too.
Verdict compare(const std::string& text, const std::string& unit, const std::string& gold) {
  if (unit.empty() || has_unit(text) || !has_unit(gold)) return equivalent(text, gold);
  if (unit == kOutOf) return Verdict::kNo;
  const std::string with_unit = unit == "%" ? text + "\\%" : text + "\\text{ " + unit + "}";
  // The library would be given the answer without its unit.
  return equivalent(with_unit, gold) == Verdict::kYes ? Verdict::kYes : Verdict::kNo;
}

// Whether a sentence gives a gold by the letter of a choice that it begins with, or by its one
// number or formula.
bool says(const FinalAnswer& answer, const std::string& gold) {
  const auto choice = read_choice(gold);
  if (choice && choice->content.empty()) {
    const auto letter = leading_choice(answer.text);
    if (letter) return equivalent(*letter, gold) == Verdict::kYes;
  }
  return !answer.value.empty() && compare(answer.value, answer.unit_after, gold) == Verdict::kYes;
}

// "Yes, it is possible" for "Yes", in a box too.
bool says_verdict(const FinalAnswer& answer, const std::string& gold) {
  const std::string_view verdict = leading_verdict(unwrapped(answer.text));
  return !verdict.empty() && folded_words(gold) == verdict;
}

// Whether nothing else is offered. A letter beside a gold that is none names an option, a value
// beside one that is a letter belongs to it.
bool agree(const std::vector<Offer>& offers, const std::string& gold) {
  const bool choice = read_choice(gold).has_value();
  return std::all_of(offers.begin(), offers.end(), [&](const Offer& offer) {
    return offer.is_letter != choice || compare(offer.value, offer.unit, gold) == Verdict::kYes;
  });
}

}  // namespace

Judgement judge(std::string_view response, const std::vector<std::string>& golds) {
  if (golds.empty())
    throw std::invalid_argument("no gold answer to compare with: give at least one");
  std::vector<std::string> accepted;
  for (const std::string& gold : golds) {
    accepted.push_back(with_unit_inside(gold_answer(gold)));
    if (accepted.back().empty()) throw std::invalid_argument("gold answer '" + gold + "' is empty");
  }
  Judgement judgement;
  const auto answer = final_answer(response);
  if (!answer) return judgement;
  judgement.answer = answer->text;
  const std::string text = with_unit_inside(answer->text);
  for (std::string& gold : accepted) {
    Verdict verdict = compare(text, answer->unit_after, gold);
    if (verdict != Verdict::kYes && !answer->all_boxes.empty() &&
        equivalent(answer->all_boxes, gold) == Verdict::kYes) {
      verdict = Verdict::kYes;
    }
    if (verdict != Verdict::kYes && !answer->bound.empty() &&
        compare(answer->bound, answer->unit_after, gold) == Verdict::kYes) {
      verdict = Verdict::kYes;
    }
    if (verdict != Verdict::kYes && answer->is_said && says(*answer, gold)) {
      verdict = Verdict::kYes;
    }
    if (verdict != Verdict::kYes && says_verdict(*answer, gold)) verdict = Verdict::kYes;
    if (verdict == Verdict::kUndecided && answer->is_composed) verdict = Verdict::kNo;
    if (verdict != Verdict::kNo && !agree(answer->offers, gold)) verdict = Verdict::kNo;
    if (verdict == Verdict::kYes) {
      judgement.verdict = verdict;
      judgement.undecided.clear();
      return judgement;
    }
    if (verdict == Verdict::kUndecided) judgement.undecided.push_back(std::move(gold));
  }
  if (!judgement.undecided.empty()) judgement.verdict = Verdict::kUndecided;
  return judgement;
}

std::vector<Judgement> judge_all(const std::vector<std::string>& responses,
                                 const std::vector<std::vector<std::string>>& golds,
                                 std::size_t threads) {
  std::vector<Judgement> judgements(responses.size());
  std::vector<std::exception_ptr> failures(responses.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < responses.size(); i = next++) {
      try {
        judgements[i] = judge(responses[i], golds[i]);
      } catch (const std::exception&) {
        failures[i] = std::current_exception();
      }
    }
  };
  std::vector<std::thread> helpers;
  for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  return judgements;
}

}  // namespace urpo::answers
