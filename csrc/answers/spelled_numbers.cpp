#include "spelled_numbers.hpp"

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace urpo::answers {
namespace {

using Values = std::unordered_map<std::string_view, std::int64_t>;

constexpr std::int64_t kHundred = 100;

const Values& small() {
  static const Values values = {
      {"zero", 0},     {"one", 1},      {"two", 2},        {"three", 3},     {"four", 4},
      {"five", 5},     {"six", 6},      {"seven", 7},      {"eight", 8},     {"nine", 9},
      {"ten", 10},     {"eleven", 11},  {"twelve", 12},    {"thirteen", 13}, {"fourteen", 14},
      {"fifteen", 15}, {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18}, {"nineteen", 19},
      {"twenty", 20},  {"thirty", 30},  {"forty", 40},     {"fifty", 50},    {"sixty", 60},
      {"seventy", 70}, {"eighty", 80},  {"ninety", 90}};
  return values;
}

const Values& parts() {
  static const Values values = {{"half", 2},       {"third", 3},       {"quarter", 4},
                                {"fourth", 4},     {"fifth", 5},       {"sixth", 6},
                                {"seventh", 7},    {"eighth", 8},      {"ninth", 9},
                                {"tenth", 10},     {"eleventh", 11},   {"twelfth", 12},
                                {"twentieth", 20}, {"hundredth", 100}, {"thousandth", 1000}};
  return values;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    if (end != 0) words.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return words;
}

class WordReader {
 public:
  explicit WordReader(std::vector<std::string_view> words) : words_(std::move(words)) {}

  std::optional<std::string> run() {
    const bool negative = take("negative") || take("minus");
    auto value = unsigned_number();
    if (!value || at_ != words_.size()) return std::nullopt;
    return negative ? "-" + *value : *value;
  }

 private:
  std::string_view peek(std::size_t ahead = 0) const {
    return at_ + ahead < words_.size() ? words_[at_ + ahead] : std::string_view();
  }
  bool take(std::string_view word) {
    if (peek() != word) return false;
    ++at_;
    return true;
  }

  std::optional<std::string> unsigned_number() {
    if (auto fraction = part()) return fraction;
    const auto whole = cardinal();
    if (!whole) return std::nullopt;
    std::string text = std::to_string(*whole);
    // "three and a half"
    if (take("and")) {
      const auto fraction = part();
      return fraction ? std::optional(text + *fraction) : std::nullopt;
    }
    return text;
  }

  // "two thirds", "a half"
  std::optional<std::string> part() {
    const std::size_t begin = at_;
    std::optional<std::int64_t> count;
    if (take("a") || take("an")) {
      count = 1;
    } else if (peek() == "half" || peek() == "quarter") {
      count = 1;  // an article was folded away; "third" is a place as well
    } else {
      count = below_hundred();
    }
    std::string_view name = peek();
    if (name == "halves") name = "half";
    if (name.size() > 1 && name.back() == 's') name.remove_suffix(1);
    const auto found = parts().find(name);
    if (!count || found == parts().end()) {
      at_ = begin;
      return std::nullopt;
    }
    ++at_;
    return "\\frac{" + std::to_string(*count) + "}{" + std::to_string(found->second) + "}";
  }

  std::optional<std::int64_t> below_hundred() {
    const auto first = small().find(peek());
    if (first == small().end()) return std::nullopt;
    ++at_;
    const auto second = small().find(peek());
    const bool both = first->second >= 20 && second != small().end() && second->second >= 1 &&
                      second->second <= 9;
    if (!both) return first->second;
    ++at_;
    return first->second + second->second;
  }

  std::optional<std::int64_t> below_thousand() {
    const bool article = peek() == "a" && peek(1) == "hundred";
    if (article) ++at_;
    auto value = article || peek() == "hundred" ? std::optional<std::int64_t>(1) : below_hundred();
    if (!value || !take("hundred")) return value;
    // "twelve hundred", but not "one hundred hundred"
    std::int64_t total = *value * kHundred;
    const std::size_t begin = at_;
    take("and");
    if (const auto rest = below_hundred()) {
      total += *rest;
    } else {
      at_ = begin;
    }
    return total;
  }

  std::optional<std::int64_t> cardinal() {
    std::int64_t total = 0;
    std::int64_t last_scale = kLargest;
    bool any = false;
    while (true) {
      const std::size_t begin = at_;
      if (any) take("and");
      // "a thousand": the article may be folded away.
      if (!any && scale_of(peek(1)) != 0) take("a");
      const auto group =
          !any && scale_of(peek()) != 0 ? std::optional<std::int64_t>(1) : below_thousand();
      if (!group) {
        at_ = begin;
        break;
      }
      const std::int64_t scale = scale_of(peek());
      if (scale != 0) ++at_;
      const std::int64_t value = scale == 0 ? 1 : scale;
      if (value >= last_scale || (any && *group >= 1000)) return std::nullopt;
      total += *group * value;
      last_scale = value;
      any = true;
      if (scale == 0) break;
    }
    return any ? std::optional(total) : std::nullopt;
  }

  static std::int64_t scale_of(std::string_view word) {
    static const Values scales = {
        {"thousand", 1000}, {"million", 1000000}, {"billion", 1000000000}};
    const auto found = scales.find(word);
    return found == scales.end() ? 0 : found->second;
  }

  static constexpr std::int64_t kLargest = 1000000000000;

  std::vector<std::string_view> words_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<std::string> number_in_words(std::string_view folded) {
  if (folded.size() > 200) return std::nullopt;
  for (const std::string_view infinite :
       {"infinity", "infinite", "positive infinity", "infinitely many"}) {
    if (folded == infinite) return "\\infty";
  }
  if (folded == "negative infinity" || folded == "minus infinity") return "-\\infty";
  return WordReader(split(folded)).run();
}

}  // namespace urpo::answers
