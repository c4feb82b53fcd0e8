#include "counted_things.hpp"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "characters.hpp"
#include "value_words.hpp"

namespace urpo::answers {
namespace {

using Names = std::unordered_set<std::string_view>;

bool ends_with(std::string_view word, std::string_view end) {
  return word.size() > end.size() && word.substr(word.size() - end.size()) == end;
}

std::vector<std::string> split(std::string_view words) {
  std::vector<std::string> out(1);
  for (const char c : words) {
    if (c != ' ') {
      out.back() += lower(c);
    } else if (!out.back().empty()) {
      out.emplace_back();
    }
  }
  if (out.back().empty()) out.pop_back();
  return out;
}

// Of a script with counters rather than plurals: Chinese and Japanese measure words.
bool is_counter(std::string_view word) {
  static const Names counters = {"\u4e2a",
                                 "\u500b",
                                 "\u53ea",
                                 "\u96bb",
                                 "\u4eba",
                                 "\u540d",
                                 "\u4f4d",
                                 "\u5143",
                                 "\u5186",
                                 "\u672c",
                                 "\u5f20",
                                 "\u5f35",
                                 "\u6b21",
                                 "\u79cd",
                                 "\u7a2e",
                                 "\u5929",
                                 "\u65e5",
                                 "\u5e74",
                                 "\u5c81",
                                 "\u6b73",
                                 "\u7c73",
                                 "\u514b",
                                 "\u79d2",
                                 "\u5206",
                                 "\u8f86",
                                 "\u8f1b",
                                 "\u652f",
                                 "\u5757",
                                 "\u584a",
                                 "\u4ef6",
                                 "\u6761",
                                 "\u689d",
                                 "\u68f5",
                                 "\u9875",
                                 "\u9801",
                                 "\u53f0",
                                 "\u5934",
                                 "\u982d",
                                 "\u6735",
                                 "\u7bc7",
                                 "\u5c42",
                                 "\u5c64",
                                 "\u5206\u949f",
                                 "\u5206\u9418",
                                 "\u5c0f\u65f6",
                                 "\u5c0f\u6642",
                                 "\u6642\u9593",
                                 "\u5398\u7c73",
                                 "\u5343\u7c73",
                                 "\u516c\u91cc",
                                 "\u5343\u514b",
                                 "\u516c\u65a4",
                                 "\u5e73\u65b9\u7c73",
                                 "\u7acb\u65b9\u7c73",
                                 "\u5e73\u65b9\u5398\u7c73",
                                 "\u7acb\u65b9\u5398\u7c73",
                                 "\u5ea6",
                                 "\u679a",
                                 "\u9897",
                                 "\ubd84",
                                 "\uac1c",
                                 "\uba85"};
  return counters.count(word) != 0;
}

bool is_plural(std::string_view word) {
  static const Names irregular = {"people", "men",   "women",    "children", "feet",     "teeth",
                                  "mice",   "geese", "fish",     "sheep",    "deer",     "dice",
                                  "points", "axes",  "vertices", "matrices", "pence",    "series",
                                  "times",  "kids",  "radii",    "bacteria", "students", "indices"};
  if (irregular.count(word) != 0 || is_counter(word)) return true;
  static const Names none = {"its", "this", "thus",   "yes",     "has",    "does",
                             "as",  "us",   "always", "besides", "versus", "sometimes"};
  return word.size() > 2 && ends_with(word, "s") && !ends_with(word, "ss") &&
         !ends_with(word, "us") && !ends_with(word, "is") && !ends_with(word, "wards") &&
         none.count(word) == 0;
}

// No noun is meant: "doubling", "exactly", "removed".
bool is_participle_or_adverb(std::string_view word) {
  return ends_with(word, "ed") || ends_with(word, "ing") || ends_with(word, "ly");
}

bool is_preposition(std::string_view word) {
  static const Names prepositions = {"of", "per", "in", "to", "from", "by",
                                     "on", "at",  "a",  "an", "the"};
  return prepositions.count(word) != 0;
}

// What may end such a phrase: "years old", "apples each".
bool is_closing(std::string_view word) {
  static const Names closing = {"long",  "wide",  "tall",       "high",      "deep",     "thick",
                                "away",  "apart", "old",        "each",      "apiece",   "total",
                                "later", "left",  "altogether", "remaining", "together", "overall",
                                "east",  "west",  "north",      "south"};
  return closing.count(word) != 0;
}

std::string singular(const std::string& word) {
  return word.size() > 3 && word.back() == 's' ? word.substr(0, word.size() - 1) : word;
}

}  // namespace

bool names_counted_things(std::string_view words, Number number) {
  const std::vector<std::string> each = split(words);
  for (const std::string_view alone :
       {"", "times", "total", "in total", "in all", "each", "apiece", "altogether", "overall"}) {
    if (words == alone) return true;
  }
  const bool in_all = each.size() > 2 && each.back() == "all" && each[each.size() - 2] == "in";
  const auto checked = each.end() - (in_all ? 1 : 0);
  if (std::any_of(each.begin(), checked, [](const auto& word) { return changes_value(word); }))
    return false;
  // "of the pizza", of a part
  if (each[0] == "of") return number != Number::kOfThings && each.size() > 1;
  std::size_t end = 0;
  if (number != Number::kWithUnit) {
    while (end < each.size() && !is_plural(each[end])) {
      if (is_preposition(each[end])) return false;
      ++end;
    }
    if (end == each.size())
      return number == Number::kAtMostOne && end <= 3 && !is_participle_or_adverb(each.back());
    while (end < each.size() && is_plural(each[end])) ++end;
  }
  if (end == each.size()) return true;
  if (is_preposition(each[end])) return end + 1 < each.size();
  const bool one_more = end + 1 == each.size();
  return one_more && (is_closing(each[end]) ||
                      (number == Number::kWithUnit && !is_participle_or_adverb(each[end])));
}

bool same_things(std::string_view a, std::string_view b) {
  std::vector<std::string> less = split(a);
  std::vector<std::string> more = split(b);
  if (less.size() > more.size()) less.swap(more);
  for (std::string& word : more) word = singular(word);
  return std::all_of(less.begin(), less.end(), [&](const std::string& word) {
    return std::find(more.begin(), more.end(), singular(word)) != more.end();
  });
}

}  // namespace urpo::answers
