// Units of measure and words between values in Chinese.
#pragma once

#include <cstddef>
#include <string_view>

namespace urpo::answers {

struct ChineseUnit {
  std::string_view name;  // in English; empty for no unit
  int power = 1;          // 2 of "square", 3 of "cubic"
};

ChineseUnit chinese_unit(std::string_view word);

// "and" or "or" where `text` begins with a word for it that no other character of a word follows;
// `length` is that word's. Empty otherwise.
std::string_view chinese_connective(std::string_view text, std::size_t& length);

}  // namespace urpo::answers
