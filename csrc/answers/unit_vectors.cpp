#include "unit_vectors.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "characters.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

// 0, 1 or 2 of the unit vector that `text` begins with, and its length; -1 for none.
int unit_vector(std::string_view text, std::size_t& length) {
  for (const std::string_view font : {"\\mathbf{", "\\boldsymbol{", "\\hat{", "\\vec{", "\\bm{"}) {
    if (!begins_with(text, font)) continue;
    std::string_view name = text.substr(font.size());
    name = name.substr(0, name.find('}'));
    length = font.size() + name.size() + 1;
    constexpr std::array<std::string_view, 5> kNames = {"i", "j", "k", "\\imath", "\\jmath"};
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    return found == kNames.end() ? -1 : static_cast<int>(found - kNames.begin()) % 3;
  }
  return -1;
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size()))
    ++found;
  return found;
}

// How many components the other side has; 0 where it is no vector.
std::size_t components_of(std::string_view text) {
  text = trimmed(text);
  if (begins_with(text, "\\begin{")) return std::max(count(text, "\\\\"), count(text, "&")) + 1;
  const bool point = begins_with(text, "(") || begins_with(text, "\\left(") ||
                     begins_with(text, "\\langle") || begins_with(text, "\\left\\langle");
  return point ? count(text, ",") + 1 : 0;
}

}  // namespace

std::string with_components(std::string text, const std::string& other) {
  const std::size_t size = components_of(other);
  if (size != 2 && size != 3) return text;
  std::array<std::string, 3> values;
  std::string factor;
  bool ended = false;  // a sign has to follow
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_space(c)) continue;
    if (depth == 0 && (c == '+' || c == '-')) {
      if (!ended && !factor.empty()) return text;
      factor = c == '-' ? "-" : "+";
      ended = false;
      continue;
    }
    if (ended) return text;
    std::size_t length = 0;
    const int axis = depth == 0 ? unit_vector(std::string_view(text).substr(i), length) : -1;
    if (axis >= 0) {
      std::string& value = values.at(static_cast<std::size_t>(axis));
      if (!value.empty() || static_cast<std::size_t>(axis) >= size) return text;
      if (!factor.empty() && factor.front() == '+') factor.erase(0, 1);
      value = factor.empty() || factor == "-" ? factor + "1" : factor;
      factor.clear();
      ended = true;
      i += length - 1;
      continue;
    }
    depth += c == '(' || c == '{' ? 1 : c == ')' || c == '}' ? -1 : 0;
    factor += c;
  }
  if (!ended) return text;
  std::string point;
  for (std::size_t axis = 0; axis < size; ++axis)
    point += (axis == 0 ? "(" : ", ") + (values.at(axis).empty() ? "0" : values.at(axis));
  return point + ")";
}

}  // namespace urpo::answers
