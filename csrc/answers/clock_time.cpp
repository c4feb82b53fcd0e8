#include "clock_time.hpp"

#include <string>

#include "characters.hpp"
#include "words.hpp"

namespace urpo::answers {
namespace {

enum class Half { kNotSaid, kMorning, kAfternoon };

struct ClockTime {
  int hour = 0;     // as written
  int seconds = 0;  // within the hour
  Half half = Half::kNotSaid;

  // Of "12:30 a.m." 0.
  int hour_of_day() const {
    if (half == Half::kNotSaid) return hour;
    return hour % 12 + (half == Half::kAfternoon ? 12 : 0);
  }
};

// Up to two digits at `at`, which moves past them; -1 for none.
int read_digits(std::string_view text, std::size_t& at) {
  const std::size_t begin = at;
  int value = 0;
  while (at < text.size() && at < begin + 2 && is_digit(text[at]))
    value = 10 * value + (text[at++] - '0');
  return at == begin ? -1 : value;
}

std::optional<ClockTime> read_clock_time(std::string_view normalized_text) {
  if (normalized_text.size() > 64) return std::nullopt;
  const std::string text = folded_words(normalized_text);
  ClockTime time;
  std::size_t at = 0;
  time.hour = read_digits(text, at);
  bool minutes = false;
  for (const int unit : {60, 1}) {
    if (at >= text.size() || text[at] != ':') break;
    const std::size_t begin = ++at;
    const int value = read_digits(text, at);
    if (at != begin + 2 || value >= 60) return std::nullopt;
    time.seconds += value * unit;
    minutes = true;
  }
  std::string rest;
  for (const char c : text.substr(at)) {
    if (!is_space(c) && c != '.') rest += c;
  }
  if (rest == "am") time.half = Half::kMorning;
  if (rest == "pm") time.half = Half::kAfternoon;
  const bool said = time.half != Half::kNotSaid;
  if (said != !rest.empty() || (!said && !minutes)) return std::nullopt;
  const bool possible = said ? time.hour >= 1 && time.hour <= 12 : time.hour >= 0 && time.hour < 24;
  return possible ? std::optional(time) : std::nullopt;
}

}  // namespace

std::optional<Verdict> compare_clock_times(std::string_view normalized_answer,
                                           std::string_view normalized_gold) {
  const auto answer = read_clock_time(normalized_answer);
  const auto gold = read_clock_time(normalized_gold);
  if (!answer || !gold) return std::nullopt;
  const bool both = answer->half != Half::kNotSaid && gold->half != Half::kNotSaid;
  if (answer->half == Half::kNotSaid && gold->half == Half::kNotSaid) return std::nullopt;
  const bool same_hour =
      answer->hour_of_day() == gold->hour_of_day() || (!both && answer->hour == gold->hour);
  return same_hour && answer->seconds == gold->seconds ? Verdict::kYes : Verdict::kNo;
}

}  // namespace urpo::answers
