#include "final_answer.hpp"

#include <algorithm>
#include <utility>

#include "boxes.hpp"
#include "characters.hpp"
#include "phrases.hpp"
#include "pieces.hpp"
#include "prose.hpp"
#include "scan.hpp"
#include "statement.hpp"
#include "words.hpp"

namespace urpo::answers {
namespace {

constexpr std::size_t kMaxLine = 200;     // of a response that is nothing but an answer
constexpr std::size_t kMaxEnding = 1200;  // bytes in which the last sentence is looked for

// "I hope it is correct", "Done!": what is said behind the conclusion.
bool is_closing_remark(std::string_view sentence) {
  if (sentence.find_first_of("0123456789$\\*") != std::string_view::npos) return false;
  while (!sentence.empty() && !is_letter(sentence.front())) {
    if (is_high(sentence.front())) return false;
    sentence.remove_prefix(1);
  }
  if (sentence.empty()) return true;
  for (const std::string_view remark : {"i hope",
                                        "hope this",
                                        "hope that",
                                        "done",
                                        "let me know",
                                        "feel free",
                                        "thank",
                                        "good luck",
                                        "qed",
                                        "q.e.d",
                                        "this completes",
                                        "which completes",
                                        "that completes",
                                        "as required",
                                        "as desired",
                                        "we are done",
                                        "and we are done",
                                        "please",
                                        "cheers",
                                        "best regards",
                                        "happy",
                                        "this is the final answer",
                                        "that's it",
                                        "that is it",
                                        "this concludes",
                                        "have a"}) {
    if (starts_with_word(sentence, remark)) return true;
  }
  return false;
}

struct LastSentence {
  std::string_view text;
  bool whole = false;  // and not the end of a longer one
};

// The last sentence, without what a chat template or a closing remark leaves behind it.
LastSentence last_sentence(std::string_view text, bool whole) {
  LastSentence last;
  bool first = whole;
  for (std::string_view rest = trimmed(text); !rest.empty();) {
    const std::size_t end = end_of_sentence(rest);
    const std::size_t mark = end < rest.size() && rest[end] == '?' ? 1 : 0;
    const std::string_view sentence = rest.substr(0, end + mark);
    const bool remark = is_closing_remark(sentence) ||
                        (!last.text.empty() && sentence.front() == '(' && sentence.back() == ')');
    if (!remark) last = {sentence, first};
    first = end < kMaxSentence;
    std::size_t next = std::min(rest.size(), end + (end < kMaxSentence ? 1 : 0));
    // What closes the sentence's type belongs to it.
    while (end < kMaxSentence && next < rest.size() && rest[next] == '*') ++next;
    rest = trimmed(rest.substr(next));
  }
  return last;
}

// The right side of the last row of a text that ends with aligned rows: "24" of "&= 24.
// \end{align*}"; all of the row if it has a left side.
std::string last_row(std::string_view text) {
  text = trimmed(text);
  const std::size_t end = text.rfind("\\end{");
  if (end == std::string_view::npos || text.empty() || text.back() != '}') return {};
  const std::string_view name = text.substr(end + 5, 6);
  if (name.substr(0, 5) != "align" && name != "gather") return {};
  std::string_view row = text.substr(0, end);
  const std::size_t row_end = row.rfind("\\\\");
  row = trimmed(row.substr(row_end == std::string_view::npos ? 0 : row_end + 2));
  if (const std::size_t begin = row.rfind("\\begin{"); begin != std::string_view::npos)
    row = row.substr(std::min(row.size(), row.find('}', begin) + 1));
  std::string formula;
  for (const char c : row) {
    if (c != '&') formula += c;
  }
  row = trimmed(formula);
  while (!row.empty() && row.back() == '.') row = trimmed(row.substr(0, row.size() - 1));
  for (const std::string_view relation :
       {"\\approx", "\\ne", "\\le", "\\ge", "<", ">", "\\equiv"}) {
    if (row.substr(0, relation.size()) == relation) return {};
  }
  if (!row.empty() && row.front() == '=') row = trimmed(row.substr(row.rfind('=') + 1));
  return std::string(row);
}

// The formula of a text that ends with a displayed one, or of a sentence that contains just one:
// "We find that $x < 3$."
std::optional<std::string> only_formula(std::string_view text, std::string_view sentence) {
  text = trimmed(text);
  if (!text.empty() && text.back() == '.') text = trimmed(text.substr(0, text.size() - 1));
  for (const auto& [open, close] : {std::pair("\\[", "\\]"), std::pair("$$", "$$")}) {
    if (text.size() < 4 || text.substr(text.size() - 2) != close) continue;
    const std::string_view before = text.substr(0, text.size() - 2);
    const std::size_t begin = before.rfind(open);
    if (begin != std::string_view::npos) return std::string(trimmed(before.substr(begin + 2)));
  }
  for (const auto& [open, close] : {std::pair("\\(", "\\)"), std::pair("$", "$")}) {
    const std::string_view opening = open;
    const std::size_t begin = sentence.find(opening);
    if (begin == std::string_view::npos) continue;
    const std::string_view rest = sentence.substr(begin + opening.size());
    const std::size_t end = rest.find(close);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view after = rest.substr(end + opening.size());
    const bool another = after.find(opening) != std::string_view::npos;
    const bool numbers = after.find_first_of("0123456789") != std::string_view::npos;
    if (another || numbers) return std::nullopt;
    // "this value of $x$ satisfies the equation"
    const std::string_view formula = trimmed(rest.substr(0, end));
    if (formula.size() == 1 && is_letter(formula.front())) return std::nullopt;
    return std::string(formula);
  }
  return std::nullopt;
}

FinalAnswer said(Statement statement) {
  FinalAnswer answer;
  answer.text = std::move(statement.text);
  answer.value = std::move(statement.value);
  answer.unit_after = std::move(statement.unit);
  answer.is_said = true;
  return answer;
}

// Of what a response says at its end, announced by nothing.
Reading conclude(std::string_view response, Statement& statement) {
  const std::string_view text = trimmed(response.substr(0, response.find("<|")));
  const bool whole = text.size() <= kMaxEnding;
  const std::string ending = plain_typed(text.substr(whole ? 0 : text.size() - kMaxEnding));
  std::string row = last_row(ending);
  if (!row.empty()) {
    statement.value = end_of_chain(row);
    statement.text = std::move(row);
    return Reading::kStated;
  }
  const LastSentence last = last_sentence(ending, whole);
  if (starts_with(last.text, "\\end{")) return Reading::kRefused;
  const Reading reading = last.whole ? read_sentence(last.text, statement) : Reading::kNothing;
  if (reading != Reading::kNothing) return reading;
  if (auto formula = only_formula(ending, last.text)) {
    statement.value = end_of_chain(*formula);
    statement.text = std::move(*formula);
    return Reading::kStated;
  }
  return Reading::kNothing;
}

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
  const std::size_t previous = response.substr(0, open).rfind(kClose);
  if (previous != std::string_view::npos) {
    const std::size_t begin = previous + kClose.size();
    if (connector(response.substr(begin, open - begin), Joint::kTight) != nullptr) return {};
  }
  return trimmed(response.substr(open + kOpen.size(), close - open - kOpen.size()));
}

std::optional<FinalAnswer> answer_of(std::string_view response) {
  if (const auto box = last_box(response, response.size())) return boxed_answer(response, *box);
  if (const auto rest = after_announcement(response)) {
    auto statement = announced_statement(*rest);
    if (!statement) return std::nullopt;
    return said(std::move(*statement));
  }
  const std::string_view line = trimmed(response);
  // Nothing but a formula, a number or a letter.
  const bool is_prose = line.size() > kMaxLine || line.find('\n') != std::string_view::npos ||
                        count_words(line, 1) > 0 || line.find("**", 1) < line.size() - 2;
  if (is_prose) {
    Statement statement;
    const Reading reading = conclude(response, statement);
    if (reading == Reading::kStated) return said(std::move(statement));
    // "We try x = 12."
    const bool number = line.find_first_of("0123456789") != std::string_view::npos;
    if (reading == Reading::kRefused && number) return std::nullopt;
  }
  if (line.empty() || line.size() > kMaxLine || line.find('\n') != std::string_view::npos)
    return std::nullopt;
  if (mentions_answer(line)) return std::nullopt;
  Statement statement;
  statement.text = std::string(line);
  return said(std::move(statement));
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
