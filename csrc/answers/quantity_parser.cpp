#include "quantity_parser.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "characters.hpp"
#include "scan.hpp"
#include "value_words.hpp"

namespace urpo::answers {
namespace {

constexpr int kMaxWords = 6;

void multiply_unit(Unit& unit, const Unit& by, int power) {
  for (int i = 0; i < (power < 0 ? -power : power); ++i) {
    unit.factor = power < 0 ? unit.factor / by.factor : unit.factor * by.factor;
  }
  for (const auto& [dimension, exponent] : by.dimensions) {
    if ((unit.dimensions[dimension] += exponent * power) == 0) unit.dimensions.erase(dimension);
  }
}

}  // namespace

NodePtr QuantityParser::quantity() {
  const bool negative = peek().is('-') && peek(1).is_command("currency");
  if (negative) next();
  const bool currency = take_command("currency") || take_currency_word();
  NodePtr value = sum();
  if (negative) value = make_node(Kind::kNegate, {value});
  value = scaled(value);
  Node quantity{};
  quantity.kind = Kind::kQuantity;
  if (value->kind == Kind::kDegree) {
    value = with_arc_minutes(value->args.front());
    quantity.unit = *find_unit("degree");
  }
  if (currency || take_command("currency")) multiply_unit(quantity.unit, *find_unit(currency_), 1);
  if ((starts_unit() || starts_divisor()) && read_units(quantity))
    value = make_node(Kind::kPercent, {value});
  if (quantity.unit.dimensions.empty() && quantity.text.empty()) return value;
  quantity.args = {value};
  return with_smaller_unit(std::move(quantity));
}

NodePtr QuantityParser::with_arc_minutes(NodePtr degrees) {
  std::int64_t parts = 1;
  while (degrees->kind == Kind::kNumber && parts < 3600 && peek().type == Token::Type::kNumber &&
         peek(1).is('\'')) {
    const Rational value = next().value;
    next();
    parts = take('\'') ? 3600 : 60;
    degrees = make_number(degrees->value + value / Rational(parts));
  }
  return degrees;
}

NodePtr QuantityParser::with_smaller_unit(Node quantity) {
  const std::size_t and_word = peek().is_word("and") || peek().is(',') ? 1 : 0;
  const bool follows =
      peek(and_word).type == Token::Type::kNumber &&
      (peek(and_word + 1).type == Token::Type::kWord || is_unit_letter(peek(and_word + 1)));
  const auto whole = [](const Node& each) {
    return each.text.empty() && each.unit.dimensions.size() == 1 &&
           each.args[0]->kind == Kind::kNumber;
  };
  if (follows && whole(quantity)) {
    const auto smaller = find_unit(peek(and_word + 1).text);
    if (smaller && smaller->dimensions == quantity.unit.dimensions &&
        smaller->factor < quantity.unit.factor) {
      at_ += and_word;
      const Rational more = next().value;
      next();
      const Rational count = quantity.args[0]->value * quantity.unit.factor / smaller->factor;
      quantity.args = {make_number(count + more)};
      quantity.unit = *smaller;
      return with_smaller_unit(std::move(quantity));
    }
  }
  return std::make_shared<const Node>(std::move(quantity));
}

NodePtr QuantityParser::scaled(const NodePtr& value) {
  static const std::unordered_map<std::string, unsigned> scales = {
      {"thousand", 3}, {"million", 6}, {"billion", 9}, {"trillion", 12}};
  const auto found = scales.find(peek().text);
  if (value->kind != Kind::kNumber || peek().type != Token::Type::kWord || found == scales.end()) {
    return value;
  }
  next();
  return make_number(value->value * Rational(power(BigInt(10), found->second)));
}

bool QuantityParser::take_currency_word() {
  static const std::unordered_set<std::string_view> signs = {"euro", "pound", "yuan", "rupee",
                                                             "ruble"};
  if (peek().type != Token::Type::kWord || signs.count(peek().text) == 0) return false;
  if (peek(1).type != Token::Type::kNumber) return false;
  currency_ = next().text;
  return true;
}

bool QuantityParser::starts_unit() const {
  const Token& token = peek();
  return (token.type == Token::Type::kWord && token.text != "and" && token.text != "or") ||
         is_unit_letter(token);
}

bool QuantityParser::starts_unit_behind_dot() {
  if (peek().is('.') && (peek(1).type == Token::Type::kWord || is_unit_letter(peek(1)))) next();
  return starts_unit();
}

bool QuantityParser::starts_divisor() const {
  return peek().is('/') && (peek(1).type == Token::Type::kWord || is_unit_letter(peek(1)));
}

bool QuantityParser::ends_item() const {
  const Token& token = peek();
  return token.type == Token::Type::kEnd || token.is(',') || token.is(';') || token.is(')');
}

int QuantityParser::unit_power() {
  if (peek().is('.') && peek(1).is('^')) next();
  if (!take('^')) return 1;
  const bool braced = take('{');
  const bool negative = take('-');
  const Token& token = next();
  if (token.type != Token::Type::kNumber || !token.value.is_integer() ||
      !(token.value < Rational(10))) {
    throw Unsupported("a unit to an unknown power");
  }
  if (braced) expect('}');
  const auto power = static_cast<int>(token.value.numerator().to_int64());
  return negative ? -power : power;
}

bool QuantityParser::read_units(Node& quantity) {
  Units units(quantity);
  while (true) {
    if (starts_unit()) {
      read_unit_word(units);
    } else if (starts_divisor()) {
      next();
      units.sign = -1;
    } else if (units.words > 0 && peek().is('*') &&
               (peek(1).type == Token::Type::kWord || is_unit_letter(peek(1)))) {
      next();
    } else if (units.words > 0 && peek().is('.')) {
      next();
    } else {
      return units.percent;
    }
  }
}

void QuantityParser::read_unit_word(Units& units) {
  const std::string word = next().text;
  const std::string plain = lower_case(word);
  if (++units.words > kMaxWords) throw Unsupported("words behind a value");
  const std::optional<Unit> before = std::exchange(units.last, std::nullopt);
  if (plain == "percent" || plain == "percentage" || plain == "pct") {
    units.percent = true;
  } else if (plain == "per") {
    units.sign = -1;
    // Of a unit that is known, it is part of the unit.
    if (!find_unit(peek().text)) read_noun(plain, units);
  } else if ((plain == "square" || plain == "sq") && starts_unit_behind_dot()) {
    units.power = 2;
  } else if ((plain == "cubic" || plain == "cu") && starts_unit_behind_dot()) {
    units.power = 3;
  } else if (before && (plain == "squared" || plain == "cubed")) {
    multiply_unit(units.quantity.unit, *before, units.last_sign * (plain == "squared" ? 1 : 2));
  } else if (is_preposition_in(plain, units.quantity)) {
    read_noun(plain, units);
  } else if (const auto unit = find_unit(word)) {
    multiply_unit(units.quantity.unit, *unit, units.sign * units.power * unit_power());
    units.last = unit;
    units.last_sign = units.sign;
    units.power = units.sign = 1;
  } else if (plain == "unit" || plain == "units") {
    unit_power();
    units.power = 1;
  } else {
    read_noun(word, units);
  }
}

void QuantityParser::read_noun(const std::string& word, Units& units) const {
  std::string& nouns = units.quantity.text;
  const std::string plain = lower_case(word);
  // "5 times", but "5 times 3"; "5 apples in all"
  const bool harmless =
      (plain == "times" && ends_item()) || (plain == "all" && ends_with(nouns, " in"));
  if (!harmless && changes_value(plain)) throw Unsupported("words that change the value before");
  nouns += (nouns.empty() ? "" : " ") + word;
}

bool QuantityParser::is_preposition_in(const std::string& word, const Node& quantity) const {
  if (word != "in" || !starts_unit()) return false;
  return !quantity.text.empty() || peek().text == "total" || peek().text == "all";
}

}  // namespace urpo::answers
