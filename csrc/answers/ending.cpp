#include "ending.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "characters.hpp"
#include "pieces.hpp"
#include "prose.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

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

}  // namespace

Reading conclude(std::string_view response, Statement& statement) {
  const std::string_view text = trimmed(response.substr(0, response.find("<|")));
  const bool whole = text.size() <= kMaxEnding;
  const std::string ending = plain_typed(tail(text, kMaxEnding));
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

}  // namespace urpo::answers
