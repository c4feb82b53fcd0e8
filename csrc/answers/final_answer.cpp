#include "final_answer.hpp"

#include <algorithm>
#include <utility>

#include "boxes.hpp"
#include "characters.hpp"
#include "ending.hpp"
#include "phrases.hpp"
#include "prose.hpp"
#include "spoken.hpp"
#include "statement.hpp"
#include "words.hpp"

namespace urpo::answers {
namespace {

constexpr int kMaxNestedBoxes = 4;
constexpr std::size_t kMaxLine = 200;  // of a response that is nothing but an answer

// What a response says after the reasoning that </think> ends, if it says anything then.
std::string_view after_thinking(std::string_view response) {
  constexpr std::string_view kEnd = "</think>";
  const std::size_t at = response.rfind(kEnd);
  if (at == std::string_view::npos) return response;
  const std::string_view rest = response.substr(at + kEnd.size());
  return trimmed(rest).empty() ? response : rest;
}

// The content of the last <answer> element, unless a box follows it; empty without one. None of
// several that are joined like boxes.
std::string_view tagged_answer(std::string_view response) {
  constexpr std::string_view kOpen = "<answer>";
  constexpr std::string_view kClose = "</answer>";
  const std::size_t close = response.rfind(kClose);
  if (close == std::string_view::npos) return {};
  const std::size_t open = response.substr(0, close).rfind(kOpen);
  if (open == std::string_view::npos) return {};
  if (last_box(response.substr(close), response.size() - close)) return {};
  const std::string_view content =
      trimmed(response.substr(open + kOpen.size(), close - open - kOpen.size()));
  const std::size_t previous = response.substr(0, open).rfind(kClose);
  if (previous != std::string_view::npos) {
    const std::size_t begin = previous + kClose.size();
    const std::size_t last = response.substr(0, previous).rfind(kOpen);
    const bool same =
        last != std::string_view::npos &&
        trimmed(response.substr(last + kOpen.size(), previous - last - kOpen.size())) == content;
    const auto gap = response.substr(begin, open - begin);
    if (!same && connector(gap, Joint::kTight) != nullptr) return {};
  }
  return content;
}

std::optional<FinalAnswer> answer_of(std::string_view response) {
  std::string flat;
  for (int depth = 0; depth < kMaxNestedBoxes; ++depth) {
    auto without = without_inner_box(response);
    if (!without) break;
    flat = std::move(*without);
    response = flat;
  }
  if (const auto box = last_box(response, response.size())) return boxed_answer(response, *box);
  if (const auto rest = after_announcement(response)) {
    auto statement = announced_statement(*rest);
    if (!statement) return std::nullopt;
    return spoken_answer(std::move(*statement));
  }
  const std::string_view line = trimmed(response);
  // Nothing but a formula, a number or a letter.
  const bool is_prose = line.size() > kMaxLine || line.find('\n') != std::string_view::npos ||
                        count_words(line, 1) > 0 || line.find("**", 1) < line.size() - 2;
  if (is_prose) {
    Statement statement;
    const Reading reading = conclude(response, statement);
    if (reading == Reading::kStated) return spoken_answer(std::move(statement));
    // "We try x = 12."
    const bool number = line.find_first_of("0123456789") != std::string_view::npos;
    if (reading == Reading::kRefused && number) return std::nullopt;
  }
  if (line.empty() || line.size() > kMaxLine || line.find('\n') != std::string_view::npos)
    return std::nullopt;
  if (mentions_answer(line) || lists_choices(line)) return std::nullopt;
  Statement statement;
  statement.text = std::string(line);
  return spoken_answer(std::move(statement));
}

}  // namespace

std::optional<FinalAnswer> final_answer(std::string_view response) {
  response = after_thinking(response);
  const std::string_view tagged = tagged_answer(response);
  return answer_of(tagged.empty() ? response : tagged);
}

std::string gold_answer(std::string_view gold) {
  const auto box = last_box(gold, gold.size());
  if (!box) {
    const auto rest = after_announcement(gold);
    const auto stated = rest ? announced_statement(*rest) : std::nullopt;
    return stated ? stated->text : std::string(trimmed(gold));
  }
  if (box->closed) return std::string(trimmed(joined_boxes(gold, *box, Joint::kTight)));
  // A gold that was cut off is still the gold.
  const std::size_t open = gold.find('{', box->begin);
  return std::string(open == std::string_view::npos ? "" : trimmed(gold.substr(open + 1)));
}

}  // namespace urpo::answers
