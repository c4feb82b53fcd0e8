#include "quantities.hpp"

#include "counted_things.hpp"
#include "evaluate.hpp"

namespace urpo::answers {

bool says_only_a_value(const Node& answer, const Node& gold) {
  if (answer.kind != Kind::kQuantity || answer.text.empty()) return true;
  if (gold.kind == Kind::kQuantity && !gold.text.empty() && same_things(answer.text, gold.text))
    return true;
  const Node& value = *answer.args[0];
  const bool part = value.kind == Kind::kDivide && value.args[0]->kind == Kind::kNumber &&
                    value.args[1]->kind == Kind::kNumber &&
                    value.args[0]->value < value.args[1]->value;
  const bool at_most_one = part || (value.kind == Kind::kNumber && !(Rational(1) < value.value));
  const bool has_unit = !answer.unit.dimensions.empty() || value.kind == Kind::kPercent;
  return names_counted_things(answer.text, has_unit      ? Number::kWithUnit
                                           : at_most_one ? Number::kAtMostOne
                                                         : Number::kOfThings);
}

std::optional<Verdict> compare_angles(const Node& answer, const Node& gold, Budget& budget) {
  const auto is_of = [](const Node& node, const char* unit) {
    return node.kind == Kind::kQuantity && node.text.empty() && node.unit == *find_unit(unit);
  };
  const auto in_radians = [&](const Node& node) {
    return is_of(node, "radian") || (node.kind != Kind::kQuantity && contains(node, Kind::kPi));
  };
  const bool given = is_of(answer, "degree");
  const bool wanted = is_of(gold, "degree");
  if (given == wanted || !in_radians(given ? gold : answer)) return std::nullopt;
  const Node& degrees = given ? *answer.args[0] : *gold.args[0];
  const Node& other = given ? gold : answer;
  const Node& radians = other.kind == Kind::kQuantity ? *other.args[0] : other;
  Forms forms(budget);
  const NodePtr half_turns =
      make_node(Kind::kDivide, {std::make_shared<const Node>(degrees), make_number(180)});
  const NodePtr converted = make_node(Kind::kMultiply, {half_turns, make_node(Kind::kPi)});
  return forms.difference(forms.of(*converted), forms.of(radians)).empty() ? Verdict::kYes
                                                                           : Verdict::kNo;
}

}  // namespace urpo::answers
