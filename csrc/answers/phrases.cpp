#include "phrases.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <string>
#include <utility>

#include "characters.hpp"
#include "lexicon.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

constexpr std::size_t kMaxContext = 160;  // of a sentence before the word "answer"
constexpr std::size_t kNearby = 36;       // bytes in which a denial is about the answer
constexpr int kMaxDoubtful = 16;          // announcements that are none, before it is given up

// An announcement in another language: the word, and the verbs and signs that may follow it.
struct Foreign {
  std::string_view word;
  std::array<std::string_view, 12> verbs;  // the last ones may be empty: there are fewer
  bool is_direct = false;                  // the answer may follow at once: a letter or a formula
};

constexpr std::array kForeign = {
    Foreign{"respuesta", {"es", "es:", ":", "final es", "correcta es", "final:"}},
    Foreign{"r\u00e9ponse", {"est", "est:", ":", "finale est", "finale :", "finale:"}},
    Foreign{"antwort", {"ist", "ist:", ":", "lautet", "lautet:", "="}},
    Foreign{"resposta", {"\u00e9", "\u00e9:", ":", "final \u00e9", "correta \u00e9", "final:"}},
    Foreign{"risposta", {"\u00e8", "\u00e8:", ":", "finale \u00e8", "corretta \u00e8", "finale:"}},
    Foreign{"\u043e\u0442\u0432\u0435\u0442",
            {":", "\u2014", "-", "\u0440\u0430\u0432\u0435\u043d", "=", "\u2013"}},
    Foreign{"\u041e\u0442\u0432\u0435\u0442",
            {":", "\u2014", "-", "\u0440\u0430\u0432\u0435\u043d", "=", "\u2013"}},
    Foreign{"\u7b54\u6848",
            {"\u662f", "\u4e3a", "\uff1a", ":", "\u3011", "\u5e94\u4e3a", "\u70ba", "\u61c9\u70ba",
             "=", "**:", "**\uff1a", "\u9009"}},
    Foreign{"\u7b54\u3048", {"\u306f", ":", "\uff1a", "\u3000", "\u3011", "="}},
    Foreign{"\uc815\ub2f5", {"\uc740", ":", "\uff1a", "\u3011", "=", "**:"}},
    Foreign{"\ub2f5", {"\uc740", ":", "\uff1a", "\ub294", "=", "**:"}},
    Foreign{"\u6545\u9009", {"\uff1a", ":", "\u62e9"}, true},
    Foreign{"\u6545\u9078", {"\uff1a", ":", "\u64c7"}, true},
    Foreign{"\u5e94\u9009", {"\uff1a", ":", "\u62e9"}, true},
    Foreign{"\u56e0\u6b64\u9009", {"\uff1a", ":", "\u62e9"}, true},
    Foreign{"\u6240\u4ee5\u9009", {"\uff1a", ":", "\u62e9"}, true},
};

constexpr std::array kForeignContexts = {
    "\u5982\u679c", "\u5047\u8bbe", "\u9519\u8bef",
    "\u4e0d\u662f", "\u82e5",       " si ",
    "falsch",       "wenn ",        "\u0435\u0441\u043b\u0438"};

std::string leading_word(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && is_letter(text[end])) ++end;
  return lower_case(text.substr(0, end));
}

// "the answer squared is", "the answer's square is"
bool changes_answer(std::string_view word, bool is_owned) {
  if (word == "minus" || word == "plus" || word == "times" || word == "divided") return true;
  if (has_sense(word, kModifies) && has_sense(word, kArithmetic)) return true;
  return is_owned && has_sense(word, kFunction);
}

// What follows "answer" up to the answer itself: " is", ": ", " to the question is", ...
std::optional<std::string_view> after_answer_word(std::string_view text) {
  if (starts_with_word(text, "s")) text.remove_prefix(1);
  const std::size_t line = std::min({text.find('\n'), text.size(), std::size_t{100}});
  // "Answer \( 9 \)"
  const std::size_t next = text.find_first_not_of(' ');
  if (next != std::string_view::npos && next > 0 &&
      (text[next] == '$' || text.compare(next, 2, "\\(") == 0 || text.compare(next, 2, "\\[") == 0))
    return text.substr(next);
  for (std::size_t i = 0; i < line; ++i) {
    // "This is the answer, as we can check: 7 = 7"
    if (text[i] == ',' && has_sense(leading_word(trimmed(text.substr(i + 1))), kReason))
      return std::nullopt;
    if (text[i] == ':' || text[i] == '=') return text.substr(i + 1);
    for (const std::string_view sign : {"\uff1a", "\u2192", "\u21d2"}) {
      if (begins_with(text.substr(i), sign)) return text.substr(i + sign.size());
    }
    if (text[i] == '.' || text[i] == '?' || text[i] == '$' || is_digit(text[i]))
      return std::nullopt;
    const bool after_space = i > 0 && text[i - 1] == ' ';
    if (after_space && changes_answer(leading_word(text.substr(i)), starts_with(text, "'s ")))
      return std::nullopt;
    const bool word_begins =
        i > 0 && is_letter(text[i]) && !is_letter(text[i - 1]) && text[i - 1] != '\'';
    if (!word_begins) continue;
    for (const std::string_view verb :
         {"is", "are", "must be", "should be", "will be", "equals", "becomes", "turns out to be",
          "comes out to be", "comes out to", "comes to", "works out to be", "works out to"}) {
      const std::string_view rest = text.substr(i);
      if (starts_with_word(rest, verb) &&
          (rest.size() == verb.size() || rest[verb.size()] != '\'')) {
        return rest.substr(verb.size());
      }
    }
    if (i == 1 && starts_with(text.substr(i), "of $")) return text.substr(i + 3);
    // "to another question is"
    for (const std::string_view word : {"not", "isn", "another"}) {
      if (starts_with_word(text.substr(i), word)) return std::nullopt;
    }
  }
  return std::nullopt;
}

// What follows a heading like "**Final Answer**" or "# Answer", whose announcement is at `begin`.
std::optional<std::string_view> below_heading(std::string_view text, std::size_t begin,
                                              std::size_t end) {
  constexpr std::string_view kMarkup = " *_#:\t\r";
  const std::size_t line_end = text.find('\n', end);
  if (line_end == std::string_view::npos) return std::nullopt;
  if (text.substr(end, line_end - end).find_first_not_of(kMarkup) != std::string_view::npos)
    return std::nullopt;
  const std::size_t break_before = text.substr(0, begin).rfind('\n');
  const std::size_t line_begin = break_before == std::string_view::npos ? 0 : break_before + 1;
  std::string_view before = text.substr(line_begin, begin - line_begin);
  before.remove_prefix(std::min(before.find_first_not_of(kMarkup), before.size()));
  before = trimmed(before);
  if (!before.empty() && !(before.size() == 5 && starts_with(before, "final"))) return std::nullopt;
  return text.substr(line_end);
}

// The sentence that `at` stands in, up to there.
std::string_view sentence_before(std::string_view text, std::size_t at) {
  std::size_t begin = at;
  while (begin > 0 && at - begin < kMaxContext) {
    const char c = text[begin - 1];
    if (c == '\n' || c == ';') break;
    if ((c == '.' || c == '!' || c == '?') && is_space(text[begin])) break;
    if (begin > 2 && text.compare(begin - 3, 3, "\u3002") == 0) break;
    --begin;
  }
  return text.substr(begin, at - begin);
}

// "twice the answer is", "the last digit of the answer is", "one more than the answer is"
bool takes_part_of(std::string_view word, std::string_view rest) {
  const bool is_whole = word == "value" || word == "form";
  const bool is_part = !is_whole && starts_with_word(trimmed(rest), "of");
  if (!is_part && !has_sense(word, kFunction) && word != "twice" && word != "thrice" &&
      word != "than")
    return false;
  for (const std::string_view filler : {"of", "the", "my", "our", "this", "final", "correct"}) {
    rest = trimmed(rest);
    if (starts_with_word(rest, filler)) rest.remove_prefix(filler.size());
  }
  return trimmed(rest).empty();
}

// Whether what announces an answer supposes, denies or asks for one, or is what others say.
bool is_doubtful(std::string_view before) {
  std::string previous;
  const std::size_t clause = before.rfind(',') + 1;  // 0 without any
  for (std::size_t i = 0; i < before.size();) {
    std::size_t end = i;
    while (end < before.size() && (is_letter(before[end]) || before[end] == '\'')) ++end;
    if (end == i) {
      ++i;
      continue;
    }
    std::string word = lower_case(before.substr(i, end - i));
    const bool first = previous.empty();
    // What a contrast takes back: "not 5, but the answer is 6".
    if (!first && (has_sense(word, kConnective) || word == "but" || word == "then"))
      return is_doubtful(before.substr(end));
    for (const std::string_view asks : {"is", "could", "does", "would", "can"}) {
      if (first && word == asks) return true;
    }
    if (has_sense(word, kSupposes)) return true;
    if (i >= clause && (has_sense(word, kBelies) || is_opinion_of_others(word, previous)))
      return true;
    if (i >= clause && takes_part_of(word, before.substr(end))) return true;
    const bool is_near = i >= clause && before.size() - i <= kNearby;
    const bool contracted = word.size() > 3 && ends_with(word, "n't");
    // "the teacher says", "there is no reason"
    if (i >= clause && (word == "says" || word == "said")) return true;
    if (is_near && previous == "no" && (word == "reason" || word == "way" || word == "evidence"))
      return true;
    if (is_near && (contracted || has_sense(word, kDenies | kModal))) return true;
    previous = std::move(word);
    i = end;
  }
  // "the previous answer is", "my first answer was"
  for (const std::string_view word : {"previous", "earlier", "initial", "old"}) {
    if (previous == word) return true;
  }
  return std::any_of(kForeignContexts.begin(), kForeignContexts.end(), [&](std::string_view part) {
    return before.find(part) != std::string_view::npos;
  });
}

// The first two bytes of everything that announces an answer, of Latin letters in either case: a
// first look at each place of a long text, which may be full of the scripts of these words.
class Openings {
 public:
  Openings() {
    add("an", announcing_);  // answer
    add("co", announcing_);  // correct option
    for (const Foreign& foreign : kForeign) {
      add(foreign.word, announcing_);
      add(foreign.word, foreign_);
    }
  }

  bool may_announce(std::string_view text, std::size_t at) const {
    return at + 1 < text.size() && announcing_[key(text[at], text[at + 1])];
  }

  bool may_be_foreign(std::string_view text, std::size_t at) const {
    if (at + 1 >= text.size() || !foreign_[key(text[at], text[at + 1])]) return false;
    return is_high(text[at]) || at == 0 || !is_letter(text[at - 1]);
  }

 private:
  static std::size_t key(char first, char second) {
    return static_cast<std::size_t>(static_cast<unsigned char>(first)) << 8U |
           static_cast<unsigned char>(second);
  }

  static void add(std::string_view word, std::bitset<1U << 16U>& pairs) {
    for (const char first : {word[0], upper(word[0])}) {
      for (const char second : {word[1], upper(word[1])}) pairs.set(key(first, second));
    }
  }

  static char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

  std::bitset<1U << 16U> announcing_;
  std::bitset<1U << 16U> foreign_;
};

const Openings& openings() {
  static const Openings table;
  return table;
}

// What follows "respuesta es" and the like at `at`.
std::optional<std::string_view> after_foreign(std::string_view text, std::size_t at) {
  if (!openings().may_be_foreign(text, at)) return std::nullopt;
  for (const Foreign& foreign : kForeign) {
    if (!starts_with(text.substr(at), foreign.word)) continue;
    const std::string_view whole = text.substr(at + foreign.word.size());
    std::string_view rest = whole;
    while (!rest.empty() && (is_space(rest.front()) || rest.front() == '*')) rest.remove_prefix(1);
    // The longest first: "es:" before "es".
    std::optional<std::string_view> found;
    std::size_t longest = 0;
    for (const std::string_view verb : foreign.verbs) {
      if (verb.size() > longest && starts_with(rest, verb) &&
          (!is_letter(verb.back()) || starts_with_word(rest, verb))) {
        longest = verb.size();
        found = rest.substr(longest);
      }
    }
    if (found) return found;
    // "故选A", but not "故选项A".
    const bool begins = !rest.empty() && (is_letter(rest.front()) || rest.front() == '(' ||
                                          rest.front() == '$' || rest.front() == '\\');
    if (foreign.is_direct && begins) return rest;
  }
  return std::nullopt;
}

// The length of what announces an answer, 0 where nothing does.
std::size_t announcement_at(std::string_view text, std::size_t at) {
  const char first = lower(text[at]);
  if ((first != 'a' && first != 'c') || (at > 0 && is_letter(text[at - 1]))) return 0;
  const std::string_view rest = text.substr(at);
  for (const std::string_view phrase : {"answer", "correct option", "correct choice"}) {
    if (starts_with(rest, phrase)) return phrase.size();
  }
  const bool line_begins = at == 0 || text[at - 1] == '\n' || text[at - 1] == '*';
  return line_begins && starts_with(rest, "ans:") ? 3 : 0;
}

}  // namespace

std::optional<std::string_view> after_announcement(std::string_view text) {
  const std::size_t hashes = text.rfind("####");
  const std::size_t from = hashes == std::string_view::npos ? 0 : hashes;
  int doubtful = 0;
  for (std::size_t at = text.size(); at-- > from && doubtful < kMaxDoubtful;) {
    if (!openings().may_announce(text, at)) continue;
    const std::size_t length = announcement_at(text, at);
    std::optional<std::string_view> rest;
    if (length == 0) {
      rest = after_foreign(text, at);
    } else {
      rest = below_heading(text, at, at + length);
      if (rest) return rest;
      rest = after_answer_word(text.substr(at + length));
    }
    if (!rest) continue;
    if (!is_doubtful(sentence_before(text, at))) return rest;
    ++doubtful;
  }
  if (hashes != std::string_view::npos) return text.substr(hashes + 4);
  return std::nullopt;
}

bool mentions_answer(std::string_view text) {
  for (std::size_t at = 0; at + 6 <= text.size(); ++at) {
    if (starts_with(text.substr(at), "answer")) return true;
  }
  return text.find("####") != std::string_view::npos;
}

}  // namespace urpo::answers
