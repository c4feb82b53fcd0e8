#include "parser.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "characters.hpp"
#include "formula_parser.hpp"
#include "value_words.hpp"

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
  char take_separator(bool& alternative, bool& conjunction) {
    char found = 0;
    while (true) {
      if (peek().is(';') || peek().is_command("newline")) {
        found = ';';
      } else if (peek().is(',') || peek().is_word("and") || peek().is_word("or")) {
        alternative = alternative || peek().is_word("or");
        conjunction = conjunction || peek().is_word("and");
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
    bool conjunction = false;
    bool commas = false;
    while (const char separator = take_separator(alternative, conjunction)) {
      if (at_list_end()) {
        if (alternative || conjunction) throw Unsupported("an \"and\" or \"or\" before nothing");
        break;
      }
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
    if (groups.size() == 1) gather_points(items);
    if (items.size() == 1) return items.front();
    spread_exclusion(items);
    const bool relations = std::all_of(items.begin(), items.end(), [](const NodePtr& each) {
      return each->kind == Kind::kRelation && each->relations[0] != Relation::kEqual;
    });
    const bool points = items.front()->kind == Kind::kBracketed;
    const char* joint = alternative && !points ? "or" : conjunction && relations ? "and" : ",";
    return make_node(Kind::kList, std::move(items), joint);
  }

  // "x = 1, y = 2 or x = 2, y = 1": the names begin again with every solution.
  static void gather_points(std::vector<NodePtr>& items) {
    const auto name_of = [&](std::size_t i) {
      const Node& item = *items[i];
      const bool assigns = item.kind == Kind::kRelation && item.args.size() == 2 &&
                           item.relations[0] == Relation::kEqual &&
                           item.args[0]->kind == Kind::kSymbol;
      return assigns ? item.args[0]->text : std::string();
    };
    std::size_t size = 1;
    while (size < items.size() && name_of(size) != name_of(0)) ++size;
    if (size < 2 || size == items.size() || items.size() % size != 0) return;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (name_of(i).empty() || name_of(i) != name_of(i % size)) return;
    }
    std::vector<NodePtr> points;
    for (std::size_t i = 0; i < items.size(); i += size) {
      const auto begin = items.begin() + static_cast<std::ptrdiff_t>(i);
      std::vector<NodePtr> point(begin, begin + static_cast<std::ptrdiff_t>(size));
      std::sort(point.begin(), point.end(), [](const NodePtr& a, const NodePtr& b) {
        return a->args[0]->text < b->args[0]->text;
      });
      points.push_back(make_node(Kind::kBracketed, std::move(point), "()"));
    }
    items = std::move(points);
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
    if ((starts_unit() || starts_divisor()) && read_units(quantity))
      value = make_node(Kind::kPercent, {value});
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
    const std::string& name = peek().text;
    static const std::unordered_set<std::string_view> signs = {"euro",  "pound", "yuan",
                                                               "rupee", "won",   "ruble"};
    if (peek().type != Token::Type::kWord || signs.count(name) == 0) return false;
    if (peek(1).type != Token::Type::kNumber) return false;
    currency_ = next().text;
    return true;
  }

  bool starts_unit() const {
    const Token& token = peek();
    return (token.type == Token::Type::kWord && token.text != "and" && token.text != "or") ||
           is_unit_letter(token);
  }

  // "sq. ft": the dot of an abbreviation.
  bool starts_unit_behind_dot() {
    if (peek().is('.') && peek(1).type == Token::Type::kWord) next();
    return starts_unit();
  }

  bool starts_divisor() const {
    return peek().is('/') && (peek(1).type == Token::Type::kWord || is_unit_letter(peek(1)));
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

  bool ends_item() const {
    const Token& token = peek();
    return token.type == Token::Type::kEnd || token.is(',') || token.is(';') || token.is(')');
  }

  // Reads units and nouns behind a value; true if they say percent.
  bool read_units(Node& quantity) {
    bool percent = false;
    int sign = 1;
    int power = 1;
    int words = 0;
    std::optional<Unit> last;  // the unit read just before, as a divisor where its power says so
    int last_sign = 1;
    const auto add_noun = [&](const std::string& word) {
      quantity.text += (quantity.text.empty() ? "" : " ") + word;
    };
    while (true) {
      if (starts_unit()) {
        const std::string word = next().text;
        const std::string plain = lower_case(word);
        if (++words > 6) throw Unsupported("words behind a value");
        const std::optional<Unit> before = std::exchange(last, std::nullopt);
        if (plain == "percent" || plain == "percentage" || plain == "pct") {
          percent = true;
        } else if (plain == "per") {
          sign = -1;
          // Of a unit that is known, it is part of the unit.
          if (!find_unit(peek().text)) add_noun(plain);
        } else if ((plain == "square" || plain == "sq") && starts_unit_behind_dot()) {
          power = 2;
        } else if ((plain == "cubic" || plain == "cu") && starts_unit_behind_dot()) {
          power = 3;
        } else if (before && (plain == "squared" || plain == "cubed")) {
          multiply_unit(quantity.unit, *before, last_sign * (plain == "squared" ? 1 : 2));
        } else if (is_preposition_in(plain, quantity)) {
          add_noun(plain);
        } else if (const auto unit = find_unit(word)) {
          multiply_unit(quantity.unit, *unit, sign * power * unit_power());
          last = unit;
          last_sign = sign;
          power = sign = 1;
        } else if (plain == "unit" || plain == "units") {
          unit_power();
          power = 1;
        } else if (changes_value(plain) && !(plain == "times" && ends_item()) &&
                   !(plain == "all" && quantity.text.size() > 2 &&
                     quantity.text.substr(quantity.text.size() - 3) == " in")) {
          throw Unsupported("words behind a value that change it");
        } else {
          add_noun(word);
        }
      } else if (starts_divisor()) {
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

  // "apples in a box", "5 cm in total", but "5 in".
  bool is_preposition_in(const std::string& word, const Node& quantity) const {
    if (word != "in" || !starts_unit()) return false;
    return !quantity.text.empty() || peek().text == "total" || peek().text == "all";
  }

  static std::string lower_case(const std::string& word) {
    std::string out = word;
    std::transform(out.begin(), out.end(), out.begin(), lower);
    return out;
  }

  std::string currency_ = "dollar";
};

}  // namespace

NodePtr parse(std::string_view normalized_text, Commas commas) {
  return AnswerParser(tokenize(normalized_text, commas)).run();
}

}  // namespace urpo::answers
