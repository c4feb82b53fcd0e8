#include "parser.hpp"

#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "formula_parser.hpp"

namespace urpo::answers {
namespace {

// Lists, relations, sets and units around formulas.
class AnswerParser : private FormulaParser {
 public:
  explicit AnswerParser(std::vector<Token> tokens) : FormulaParser(std::move(tokens)) {}

  NodePtr run() {
    NodePtr answer = list();
    if (peek().type != Token::Type::kEnd) throw Unsupported("something follows the answer");
    return answer;
  }

 private:
  // Lists and relations ---------------------------------------------------------------------------

  bool at_list_end() const {
    const Token& token = peek();
    return token.type == Token::Type::kEnd || token.is(')') || token.is(']') || token.is('}') ||
           token.is_command("rbrace") || token.is_command("rangle") ||
           (token.type == Token::Type::kCommand && token.text.compare(0, 4, "end ") == 0);
  }

  // What separates two items: 0 for nothing, ',' binds before ';'.
  char take_separator(bool& alternative) {
    char found = 0;
    while (true) {
      if (peek().is(';') || peek().is_command("newline")) {
        found = ';';
      } else if (peek().is(',') || peek().is_word("and") || peek().is_word("or")) {
        alternative = alternative || peek().is_word("or");
        if (found == 0) found = ',';
      } else {
        return found;
      }
      next();
    }
  }

  NodePtr list() override {
    const Nested nested(*this);
    std::vector<std::vector<NodePtr>> groups = {{item()}};
    bool alternative = false;
    bool commas = false;
    while (const char separator = take_separator(alternative)) {
      if (at_list_end()) break;
      if (separator == ';') groups.emplace_back();
      commas = commas || separator == ',';
      groups.back().push_back(item());
    }
    std::vector<NodePtr> items;
    for (std::vector<NodePtr>& group : groups) {
      // "p = 5, q = 2; p = 7, q = 2" are two points.
      const bool point = groups.size() > 1 && commas && group.size() > 1;
      if (point) {
        items.push_back(make_node(Kind::kBracketed, std::move(group), "()"));
      } else {
        items.insert(items.end(), group.begin(), group.end());
      }
    }
    if (items.size() == 1) return items.front();
    spread_exclusion(items);
    return make_node(Kind::kList, std::move(items), alternative ? "or" : ",");
  }

  // "x \ne -8, -2" excludes both.
  static void spread_exclusion(std::vector<NodePtr>& items) {
    const Node& first = *items.front();
    if (first.kind != Kind::kRelation || first.relations.size() != 1 ||
        first.relations[0] != Relation::kNotEqual)
      return;
    for (std::size_t i = 1; i < items.size(); ++i) {
      if (items[i]->kind == Kind::kRelation) return;
    }
    for (std::size_t i = 1; i < items.size(); ++i) {
      Node relation = first;
      relation.args[1] = items[i];
      items[i] = std::make_shared<const Node>(std::move(relation));
    }
  }

  std::optional<Relation> relation_at(const Token& token) const {
    if (token.is('=')) return Relation::kEqual;
    if (token.is('<')) return Relation::kLess;
    if (token.is('>')) return Relation::kGreater;
    if (token.is_command("!=")) return Relation::kNotEqual;
    if (token.is_command("<=")) return Relation::kLessEqual;
    if (token.is_command(">=")) return Relation::kGreaterEqual;
    if (token.is_command("approx")) return Relation::kApproximate;
    if (token.is_command("in")) return Relation::kElement;
    return std::nullopt;
  }

  NodePtr item() {
    if (peek().is('=') || peek().is_command("approx")) next();
    Node relation{};
    relation.kind = Kind::kRelation;
    NodePtr name = leading_name();
    relation.args.push_back(name ? name : set_expression());
    while (const auto found = relation_at(peek())) {
      next();
      relation.relations.push_back(*found);
      relation.args.push_back(set_expression());
    }
    if (relation.relations.empty()) return relation.args.front();
    return std::make_shared<const Node>(std::move(relation));
  }

  // Words up to an equals sign: "Area = 5".
  NodePtr leading_name() {
    std::size_t count = 0;
    std::string name;
    while (peek(count).type == Token::Type::kWord ||
           (peek(count).type == Token::Type::kLetter && peek(count).in_text)) {
      name += (name.empty() ? "" : " ") + peek(count).text;
      ++count;
    }
    if (count == 0 || !peek(count).is('=')) return nullptr;
    at_ += count;
    return make_node(Kind::kSymbol, {}, std::move(name));
  }

  NodePtr set_expression() {
    NodePtr left = ratio();
    while (true) {
      const Kind kind = peek().is_command("cup")        ? Kind::kUnion
                        : peek().is_command("cap")      ? Kind::kIntersection
                        : peek().is_command("setminus") ? Kind::kDifference
                                                        : Kind::kNumber;
      if (kind == Kind::kNumber) return left;
      next();
      NodePtr right = ratio();
      if (left->kind == kind && kind != Kind::kDifference) {
        auto args = left->args;
        args.push_back(right);
        left = make_node(kind, std::move(args));
      } else {
        if (++chain_ > kMaxChain) throw LimitExceeded("too many set operations");
        left = make_node(kind, {left, right});
      }
    }
  }

  NodePtr ratio() {
    NodePtr first = quantity();
    if (!peek().is(':')) return first;
    std::vector<NodePtr> terms = {first};
    while (take(':')) terms.push_back(quantity());
    return make_node(Kind::kRatio, std::move(terms));
  }

  // Units -----------------------------------------------------------------------------------------

  NodePtr quantity() {
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
    if (currency || take_command("currency"))
      multiply_unit(quantity.unit, *find_unit(currency_), 1);
    if (starts_unit() && read_units(quantity)) value = make_node(Kind::kPercent, {value});
    if (quantity.unit.dimensions.empty() && quantity.text.empty()) return value;
    quantity.args = {value};
    return with_smaller_unit(std::move(quantity));
  }

  // "30^\circ 15'": the minutes and seconds of an angle.
  NodePtr with_arc_minutes(NodePtr degrees) {
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

  // "3 hours 20 minutes", "5 feet and 10 inches": in the smaller unit.
  NodePtr with_smaller_unit(Node quantity) {
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

  // "5 million"
  NodePtr scaled(const NodePtr& value) {
    static const std::unordered_map<std::string, unsigned> scales = {
        {"thousand", 3}, {"million", 6}, {"billion", 9}, {"trillion", 12}};
    const auto found = scales.find(peek().text);
    if (value->kind != Kind::kNumber || peek().type != Token::Type::kWord ||
        found == scales.end()) {
      return value;
    }
    next();
    return make_number(value->value * Rational(power(BigInt(10), found->second)));
  }

  // A currency sign before the number: read as a word, since Unicode has many.
  bool take_currency_word() {
    if (!peek().is_word("euro") && !peek().is_word("pound")) return false;
    if (peek(1).type != Token::Type::kNumber) return false;
    currency_ = next().text;
    return true;
  }

  bool starts_unit() const {
    const Token& token = peek();
    return (token.type == Token::Type::kWord && token.text != "and" && token.text != "or") ||
           is_unit_letter(token);
  }

  static void multiply_unit(Unit& unit, const Unit& by, int power) {
    for (int i = 0; i < (power < 0 ? -power : power); ++i) {
      unit.factor = power < 0 ? unit.factor / by.factor : unit.factor * by.factor;
    }
    for (const auto& [dimension, exponent] : by.dimensions) {
      if ((unit.dimensions[dimension] += exponent * power) == 0) unit.dimensions.erase(dimension);
    }
  }

  int unit_power() {
    if (!take('^')) return 1;
    const bool braced = take('{');
    const Token& token = next();
    if (token.type != Token::Type::kNumber || !token.value.is_integer() ||
        !(token.value < Rational(10))) {
      throw Unsupported("a unit to an unknown power");
    }
    if (braced) expect('}');
    return static_cast<int>(token.value.numerator().to_int64());
  }

  // Reads units and nouns behind a value; true if they say percent.
  bool read_units(Node& quantity) {
    static const std::unordered_set<std::string> refused = {
        "not",     "no",       "if",      "when",          "where",
        "for",     "maybe",    "about",   "approximately", "only",
        "but",     "is",       "are",     "with",          "either",
        "unless",  "except",   "wrong",   "incorrect",     "then",
        "perhaps", "possibly", "would",   "could",         "might",
        "plus",    "minus",    "times",   "divided",       "more",
        "less",    "than",     "least",   "most",          "half",
        "hundred", "thousand", "million", "billion",       "trillion",
        "dozen",   "any",      "all",     "every"};
    bool percent = false;
    int sign = 1;
    int power = 1;
    int words = 0;
    while (true) {
      if (starts_unit()) {
        const std::string word = next().text;
        if (refused.count(word) != 0 || ++words > 6) throw Unsupported("words behind a value");
        if (word == "percent" || word == "percentage" || word == "pct") {
          percent = true;
        } else if (word == "per") {
          sign = -1;
        } else if (word == "square" || word == "sq") {
          power = 2;
        } else if (word == "cubic" || word == "cu") {
          power = 3;
        } else if (const auto unit = find_unit(word)) {
          multiply_unit(quantity.unit, *unit, sign * power * unit_power());
          power = sign = 1;
        } else if (word != "unit" && word != "units") {
          quantity.text += (quantity.text.empty() ? "" : " ") + word;
        } else {
          unit_power();
          power = 1;
        }
      } else if (words > 0 && peek().is('/') &&
                 (peek(1).type == Token::Type::kWord || is_unit_letter(peek(1)))) {
        next();
        sign = -1;
      } else if (words > 0 && peek().is('*') &&
                 (peek(1).type == Token::Type::kWord || is_unit_letter(peek(1)))) {
        next();
      } else if (words > 0 && peek().is('.')) {
        next();
      } else {
        return percent;
      }
    }
  }

  std::string currency_ = "dollar";
};

}  // namespace

NodePtr parse(std::string_view normalized_text, Commas commas) {
  return AnswerParser(tokenize(normalized_text, commas)).run();
}

}  // namespace urpo::answers
