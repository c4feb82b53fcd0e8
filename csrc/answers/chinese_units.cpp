#include "chinese_units.hpp"

#include <unordered_map>
#include <utility>

#include "characters.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {}  // namespace

ChineseUnit chinese_unit(std::string_view word) {
  // Minutes are named by two characters: one alone is also a score and a cent.
  static const std::unordered_map<std::string_view, std::string_view> names = {
      {"\u6beb\u7c73", "mm"},      {"\u5398\u7c73", "cm"},
      {"\u5206\u7c73", "dm"},      {"\u7c73", "m"},
      {"\u5343\u7c73", "km"},      {"\u516c\u91cc", "km"},
      {"\u82f1\u91cc", "mile"},    {"\u82f1\u5c3a", "foot"},
      {"\u82f1\u5bf8", "inch"},    {"\u79d2", "second"},
      {"\u5206\u949f", "minute"},  {"\u5c0f\u65f6", "hour"},
      {"\u5929", "day"},           {"\u5468", "week"},
      {"\u5e74", "year"},          {"\u514b", "gram"},
      {"\u5343\u514b", "kg"},      {"\u516c\u65a4", "kg"},
      {"\u6beb\u514b", "mg"},      {"\u5428", "ton"},
      {"\u78c5", "pound"},         {"\u5347", "liter"},
      {"\u6beb\u5347", "ml"},      {"\u52a0\u4ed1", "gallon"},
      {"\u516c\u9877", "hectare"}, {"\u5143", "yuan"},
      {"\u7f8e\u5143", "dollar"},  {"\u7f8e\u5206", "cent"},
      {"\u6b27\u5143", "euro"},    {"\u65e5\u5143", "yen"},
      {"\u82f1\u9551", "pound"},   {"\u52a0\u5143", "canadian dollar"},
      {"\u5362\u5e03", "ruble"},   {"\u5362\u6bd4", "rupee"},
      {"\u5ea6", "degree"},
  };
  ChineseUnit unit;
  for (const auto& [shape, power] : {std::pair("\u5e73\u65b9", 2), std::pair("\u7acb\u65b9", 3)}) {
    if (!begins_with(word, shape)) continue;
    word.remove_prefix(std::string_view(shape).size());
    unit.power = power;
    break;
  }
  const auto found = names.find(word);
  if (found != names.end()) unit.name = found->second;
  return unit;
}

std::string_view chinese_connective(std::string_view text, std::size_t& length) {
  for (const auto& [word, meaning] :
       {std::pair("\u6216\u8005", "or"), std::pair("\u6216", "or"),
        std::pair("\u5e76\u4e14", "and"), std::pair("\u4ee5\u53ca", "and"),
        std::pair("\u4e14", "and"), std::pair("\u548c", "and"), std::pair("\u4e0e", "and")}) {
    length = std::string_view(word).size();
    if (!begins_with(text, word)) continue;
    if (text.size() == length || !is_high(text[length])) return meaning;
  }
  return {};
}

}  // namespace urpo::answers
