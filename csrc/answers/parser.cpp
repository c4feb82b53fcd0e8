#include "parser.hpp"

#include <array>
#include <optional>
#include <unordered_set>

namespace urpo::answers {
namespace {

constexpr int kMaxDepth = 150;
constexpr int kMaxChain = 60;  // of divisions or postfix operators, which nest as well

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  NodePtr run() {
    NodePtr answer = list();
    if (peek().type != Token::Type::kEnd) throw Unsupported("something follows the answer");
    return answer;
  }

 private:
  // Counts the depth of recursion, which is what an answer's nesting costs.
  class Nested {
   public:
    explicit Nested(Parser& parser) : parser_(parser) {
      if (++parser_.depth_ > kMaxDepth) {
        --parser_.depth_;
        throw LimitExceeded("an answer is nested too deeply");
      }
    }
    ~Nested() { --parser_.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    Parser& parser_;
  };

  const Token& peek(std::size_t ahead = 0) const {
    const std::size_t at = at_ + ahead;
    return at < tokens_.size() ? tokens_[at] : tokens_.back();
  }
  const Token& next() {
    const Token& token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool take(char c) {
    if (!peek().is(c)) return false;
    next();
    return true;
  }
  bool take_command(std::string_view name) {
    if (!peek().is_command(name)) return false;
    next();
    return true;
  }
  void expect(char c) {
    if (!take(c)) throw Unsupported("a delimiter is missing");
  }

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

  NodePtr list() {
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
    return make_node(Kind::kList, std::move(items), alternative ? "or" : ",");
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
    Node quantity{};
    quantity.kind = Kind::kQuantity;
    if (value->kind == Kind::kDegree) {
      value = value->args.front();
      quantity.unit = *find_unit("degree");
    }
    if (currency || take_command("currency"))
      multiply_unit(quantity.unit, *find_unit(currency_), 1);
    if (starts_unit() && read_units(quantity)) value = make_node(Kind::kPercent, {value});
    if (quantity.unit.dimensions.empty() && quantity.text.empty()) return value;
    quantity.args = {value};
    return std::make_shared<const Node>(std::move(quantity));
  }

  // A currency sign before the number: read as a word, since Unicode has many.
  bool take_currency_word() {
    if (!peek().is_word("euro") && !peek().is_word("pound")) return false;
    if (peek(1).type != Token::Type::kNumber) return false;
    currency_ = next().text;
    return true;
  }

  bool is_unit_letter(const Token& token) const {
    return token.type == Token::Type::kLetter && token.in_text && find_unit(token.text).has_value();
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

  // Formulas --------------------------------------------------------------------------------------

  NodePtr sum() {
    const Nested nested(*this);
    std::vector<NodePtr> terms;
    const auto close = [&]() -> NodePtr {
      return terms.size() == 1 ? terms.front() : make_node(Kind::kAdd, terms);
    };
    if (peek().is_command("pm") || peek().is_command("mp")) {
      const std::string sign = next().text;
      terms.push_back(make_node(Kind::kPlusMinus, {term()}, sign));
    } else {
      terms.push_back(signed_term());
    }
    while (true) {
      if (take('+')) {
        terms.push_back(signed_term());
      } else if (take('-')) {
        terms.push_back(make_node(Kind::kNegate, {signed_term()}));
      } else if (peek().is_command("pm") || peek().is_command("mp")) {
        const std::string sign = next().text;
        if (++chain_ > kMaxChain) throw LimitExceeded("too many signs");
        terms = {make_node(Kind::kPlusMinus, {close(), term()}, sign)};
      } else {
        return close();
      }
    }
  }

  NodePtr signed_term() {
    int minus = 0;
    int signs = 0;
    while (peek().is('+') || peek().is('-')) {
      minus += next().is('-') ? 1 : 0;
      if (++signs > 3) throw Unsupported("a row of signs");
    }
    NodePtr value = term();
    return minus % 2 == 1 ? make_node(Kind::kNegate, {value}) : value;
  }

  bool starts_factor() const {
    const Token& token = peek();
    switch (token.type) {
      case Token::Type::kLetter:
        return !is_unit_letter(token);
      case Token::Type::kChar:
        return token.is('(') || token.is('[') || token.is('{') || (token.is('|') && absolute_ == 0);
      case Token::Type::kCommand:
        return is_factor_command(token.text);
      default:
        return false;
    }
  }

  static bool is_factor_command(const std::string& name) {
    static const std::unordered_set<std::string> names = {
        "frac",   "sqrt",  "plain sqrt",     "pi",       "infty",    "binom",
        "lfloor", "lceil", "angle",          "triangle", "overline", "vec",
        "hat",    "bar",   "overrightarrow", "widehat",  "imath"};
    return names.count(name) != 0 || is_function(name) || name.compare(0, 6, "begin ") == 0;
  }

  static bool is_function(const std::string& name) {
    static const std::unordered_set<std::string> names = {
        "sin",    "cos", "tan", "cot", "sec",  "csc",  "arcsin", "arccos",
        "arctan", "log", "ln",  "exp", "sinh", "cosh", "tanh"};
    return names.count(name) != 0;
  }

  NodePtr term() {
    std::vector<NodePtr> factors = {factor()};
    int divisions = 0;
    const auto close = [&]() -> NodePtr {
      return factors.size() == 1 ? factors.front() : make_node(Kind::kMultiply, factors);
    };
    while (true) {
      if (take('*')) {
        factors.push_back(signed_factor());
      } else if (peek().is('/')) {
        next();
        if (++divisions > kMaxChain) throw LimitExceeded("too many divisions");
        NodePtr divisor = signed_factor();
        factors = {make_node(Kind::kDivide, {close(), divisor})};
      } else if (starts_factor() || follows_group()) {
        factors.push_back(factor());
      } else {
        return close();
      }
    }
  }

  // "2^{25} 26!": a number is a factor where it cannot continue another one.
  bool follows_group() const {
    return peek().type == Token::Type::kNumber && peek().spaced &&
           (tokens_[at_ - 1].is('}') || tokens_[at_ - 1].is(')'));
  }

  NodePtr signed_factor() {
    const bool negative = take('-');
    if (!negative) take('+');
    NodePtr value = factor();
    return negative ? make_node(Kind::kNegate, {value}) : value;
  }

  NodePtr factor() {
    const Nested nested(*this);
    const Token& first = peek();
    if (first.type == Token::Type::kNumber && first.decimals < 0 && first.value.is_integer()) {
      if (NodePtr mixed = mixed_number()) return mixed;
    }
    return postfix(primary());
  }

  // "1\frac{4}{5}" and "1 4/5"; null where the number is none.
  NodePtr mixed_number() {
    const auto literal = [&](std::size_t ahead) -> const Token* {
      const Token& token = peek(ahead);
      return token.type == Token::Type::kNumber && token.decimals < 0 && token.value.is_integer()
                 ? &token
                 : nullptr;
    };
    const Token& whole = peek();
    const Token* top = nullptr;
    const Token* bottom = nullptr;
    std::size_t length = 0;
    Rational part;
    if (peek(1).is_command("frac")) {
      if (peek(2).is('{') && literal(3) && peek(4).is('}') && peek(5).is('{') && literal(6) &&
          peek(7).is('}')) {
        top = literal(3);
        bottom = literal(6);
        length = 8;
      } else if (literal(2) && peek(2).text.size() == 2) {
        const std::string& digits = peek(2).text;
        if (digits[0] < digits[1]) {
          part = Rational(BigInt(digits[0] - '0'), BigInt(digits[1] - '0'));
          length = 3;
        }
      }
    } else if (literal(1) && peek(1).spaced && peek(2).is('/') && literal(3)) {
      top = literal(1);
      bottom = literal(3);
      length = 4;
    }
    if (length == 0) return nullptr;
    if (top != nullptr) {
      // 2\frac{3}{2} is a product to some and a misprint to others.
      if (!(top->value < bottom->value))
        throw Unsupported("a mixed number with an improper fraction");
      part = top->value / bottom->value;
    }
    Node node{};
    node.kind = Kind::kMixed;
    node.value = whole.value + part;
    at_ += length;
    return std::make_shared<const Node>(std::move(node));
  }

  NodePtr postfix(NodePtr value) {
    for (int count = 0;; ++count) {
      if (count > 8) throw LimitExceeded("too many postfix operators");
      if (take('!')) {
        value = make_node(Kind::kFactorial, {value});
      } else if (take('%')) {
        value = make_node(Kind::kPercent, {value});
      } else if (take_command("degree")) {
        value = make_node(Kind::kDegree, {value});
      } else if (peek().is('^')) {
        next();
        if (take_degree_exponent()) {
          value = make_node(Kind::kDegree, {value});
        } else {
          value = make_node(Kind::kPower, {value, exponent()});
        }
      } else if (value->kind == Kind::kNumber && peek().is('_')) {
        value = based_number(value);
      } else {
        return value;
      }
    }
  }

  bool take_degree_exponent() {
    if (take_command("circ") || take_command("degree")) return true;
    if (peek().is('{') && (peek(1).is_command("circ") || peek(1).is_command("degree")) &&
        peek(2).is('}')) {
      at_ += 3;
      return true;
    }
    return false;
  }

  NodePtr exponent() {
    const Nested nested(*this);
    if (take('{')) {
      NodePtr value = sum();
      expect('}');
      return value;
    }
    const bool negative = take('-');
    NodePtr value = primary();
    // Powers associate to the right.
    if (take('^')) value = make_node(Kind::kPower, {value, exponent()});
    return negative ? make_node(Kind::kNegate, {value}) : value;
  }

  NodePtr based_number(const NodePtr& digits) {
    if (digits->decimals >= 0 || tokens_[at_ - 1].type != Token::Type::kNumber) {
      throw Unsupported("a subscript of what is no integer");
    }
    Node node{};
    node.kind = Kind::kBased;
    node.text = tokens_[at_ - 1].text;
    next();
    const bool braced = take('{');
    const Token& base = next();
    if (base.type != Token::Type::kNumber || !base.value.is_integer())
      throw Unsupported("a base that is no number");
    node.value = base.value;
    if (braced) expect('}');
    return std::make_shared<const Node>(std::move(node));
  }

  NodePtr primary() {
    const Nested nested(*this);
    const Token& token = peek();
    switch (token.type) {
      case Token::Type::kNumber: {
        next();
        Node number{};
        number.kind = Kind::kNumber;
        number.text = token.text;
        number.value = token.value;
        number.decimals = token.decimals;
        return std::make_shared<const Node>(std::move(number));
      }
      case Token::Type::kLetter:
        return symbol();
      case Token::Type::kChar:
        if (token.is('(') || token.is('[')) return bracketed();
        if (token.is('{')) return group();
        if (token.is('|')) return absolute();
        break;
      case Token::Type::kCommand:
        return command();
      default:
        break;
    }
    throw Unsupported("no formula");
  }

  NodePtr group() {
    expect('{');
    NodePtr value = list();
    expect('}');
    return value;
  }

  NodePtr bracketed() {
    const char open = next().text[0];
    NodePtr content = list();
    const Token& token = next();
    if (!token.is(')') && !token.is(']')) throw Unsupported("an open bracket");
    const char close = token.text[0];
    if (content->kind == Kind::kList && content->text == ",") {
      return make_node(Kind::kBracketed, content->args, std::string{open, close});
    }
    if ((open == '(') != (close == ')')) throw Unsupported("brackets that do not match");
    return content;
  }

  NodePtr absolute() {
    expect('|');
    ++absolute_;
    NodePtr value = sum();
    --absolute_;
    expect('|');
    return make_node(Kind::kAbsolute, {value});
  }

  std::string subscript() {
    std::string name = "_";
    if (!take('{')) return name + next().text;
    for (int count = 0; !peek().is('}'); ++count) {
      if (count > 8 || peek().type == Token::Type::kEnd) throw Unsupported("a long subscript");
      name += next().text;
    }
    next();
    return name;
  }

  NodePtr symbol() {
    const Token& token = next();
    std::string name = token.text;
    if (peek().is('_')) {
      next();
      name += subscript();
    }
    while (peek().is('\'')) {
      next();
      name += '\'';
      if (name.size() > 40) throw LimitExceeded("too many primes");
    }
    // f^{-1}(x), the inverse function.
    const bool inverse = peek().is('^') && peek(1).is('{') && peek(2).is('-') &&
                         peek(3).type == Token::Type::kNumber && peek(3).text == "1" &&
                         peek(4).is('}') && peek(5).is('(');
    if (inverse && (name == "f" || name == "g" || name == "h")) {
      at_ += 5;
      return make_node(Kind::kApply, {bracketed()}, name + "^-1");
    }
    if (peek().is('(') && is_application(name)) {
      NodePtr argument = bracketed();
      return make_node(Kind::kApply, {argument}, name);
    }
    if (name == "e") return make_node(Kind::kEuler);
    if (name == "i") return make_node(Kind::kImaginary);
    return make_node(Kind::kSymbol, {}, name);
  }

  // f(x) rather than f times x: by custom, or since all of it stands before a relation.
  bool is_application(const std::string& name) const {
    if (name == "f" || name == "g" || name == "f'" || name == "g'") return true;
    int depth = 0;
    for (std::size_t ahead = 0; ahead < 12; ++ahead) {
      const Token& token = peek(ahead);
      depth += token.is('(') ? 1 : token.is(')') ? -1 : 0;
      if (depth == 0) return peek(ahead + 1).is('=') && at_ == 1;
    }
    return false;
  }

  NodePtr command() {
    const std::string name = next().text;
    if (name == "frac" || name == "binom") {
      NodePtr top = argument();
      NodePtr bottom = argument();
      return make_node(name == "frac" ? Kind::kDivide : Kind::kBinomial, {top, bottom});
    }
    if (name == "sqrt") return root();
    if (name == "plain sqrt") return make_node(Kind::kRoot, {primary(), make_number(2)});
    if (name == "pi") return make_node(Kind::kPi);
    if (name == "infty") return make_node(Kind::kInfinity);
    if (name == "imath") return make_node(Kind::kImaginary);
    if (name == "reals") return make_node(Kind::kReals);
    if (name == "emptyset") return make_node(Kind::kEmptySet);
    if (name == "lbrace") return braces();
    if (name == "langle") return angle_brackets();
    if (name == "lfloor" || name == "lceil") {
      NodePtr value = sum();
      if (!take_command(name == "lfloor" ? "rfloor" : "rceil"))
        throw Unsupported("an open floor or ceiling");
      return make_node(name == "lfloor" ? Kind::kFloor : Kind::kCeiling, {value});
    }
    if (name == "angle" || name == "triangle" || name == "overline" || name == "vec" ||
        name == "hat" || name == "bar" || name == "overrightarrow" || name == "widehat") {
      return decorated(name);
    }
    if (is_function(name)) return function(name);
    if (name.compare(0, 6, "begin ") == 0) return environment(name.substr(6));
    throw Unsupported("a command where a value should be");
  }

  // The argument of \frac and \sqrt: a group, or one digit, letter or command.
  NodePtr argument() {
    const Nested nested(*this);
    if (take('{')) {
      NodePtr value = sum();
      expect('}');
      return value;
    }
    Token& token = tokens_[at_];
    if (token.type == Token::Type::kNumber && token.text.size() > 1) {
      if (token.decimals >= 0 || !token.value.is_integer() || token.grouped_by_comma) {
        throw Unsupported("a number that is cut by a command");
      }
      const int digit = token.text[0] - '0';
      token.text.erase(0, 1);
      token.value = Rational(BigInt::from_decimal(token.text));
      return make_number(digit);
    }
    return primary();
  }

  NodePtr root() {
    NodePtr index = make_number(2);
    if (take('[')) {
      index = sum();
      expect(']');
    }
    return make_node(Kind::kRoot, {argument(), index});
  }

  NodePtr braces() {
    if (take_command("rbrace")) return make_node(Kind::kEmptySet);
    NodePtr content = list();
    if (!take_command("rbrace")) throw Unsupported("an open brace");
    if (content->kind == Kind::kList) return make_node(Kind::kBraces, content->args);
    return make_node(Kind::kBraces, {content});
  }

  NodePtr angle_brackets() {
    NodePtr content = list();
    if (!take_command("rangle") || content->kind != Kind::kList)
      throw Unsupported("an open angle bracket");
    return make_node(Kind::kBracketed, content->args, "()");
  }

  NodePtr decorated(const std::string& name) {
    std::string letters;
    const bool braced = take('{');
    while (peek().type == Token::Type::kLetter && letters.size() < 20) letters += next().text;
    if (braced) expect('}');
    if (letters.empty()) throw Unsupported("a decoration of what is no letter");
    return make_node(Kind::kSymbol, {}, name + " " + letters);
  }

  NodePtr function(const std::string& name) {
    const Nested nested(*this);
    NodePtr base;
    NodePtr power;
    if (name == "log" && take('_')) base = argument();
    if (take('^')) power = exponent();
    NodePtr value;
    if (peek().is('(') || peek().is('[') || peek().is('|')) {
      value = primary();
    } else {
      value = function_argument();
    }
    std::string function = name;
    if (power && power->kind == Kind::kNegate && power->args[0]->kind == Kind::kNumber &&
        power->args[0]->value.is_one()) {
      if (name != "sin" && name != "cos" && name != "tan")
        throw Unsupported("an inverse that may be a power");
      function = "arc" + name;
      power = nullptr;
    }
    if (function == "exp") {
      value = make_node(Kind::kPower, {make_node(Kind::kEuler), value});
    } else {
      std::vector<NodePtr> args = {value};
      if (base) args.push_back(base);
      value = make_node(Kind::kFunction, std::move(args), function);
    }
    return power ? make_node(Kind::kPower, {value, power}) : value;
  }

  // "\sin 2x": factors without an operator between, up to the next function.
  NodePtr function_argument() {
    const bool negative = take('-');
    std::vector<NodePtr> factors = {factor()};
    while (starts_factor() && !peek().is('(') && !peek().is('[') &&
           !(peek().type == Token::Type::kCommand && is_function(peek().text))) {
      factors.push_back(factor());
    }
    NodePtr value = factors.size() == 1 ? factors.front() : make_node(Kind::kMultiply, factors);
    return negative ? make_node(Kind::kNegate, {value}) : value;
  }

  NodePtr environment(const std::string& name) {
    const std::string end = "end " + name;
    const bool matrix = name.find("matrix") != std::string::npos || name == "array";
    if (name == "vmatrix" || !matrix) throw Unsupported("an environment that is no matrix");
    Node node{};
    node.kind = Kind::kMatrix;
    std::size_t in_row = 0;
    while (true) {
      node.args.push_back(sum());
      ++in_row;
      if (take('&')) continue;
      if (node.columns == 0) node.columns = in_row;
      if (in_row != node.columns) throw Unsupported("rows of different lengths");
      in_row = 0;
      const bool line = take_command("newline");
      if (take_command(end)) break;
      if (!line) throw Unsupported("an open matrix");
    }
    return std::make_shared<const Node>(std::move(node));
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  int absolute_ = 0;
  int chain_ = 0;
  std::string currency_ = "dollar";
};

}  // namespace

NodePtr parse(std::string_view normalized_text, Commas commas) {
  return Parser(tokenize(normalized_text, commas)).run();
}

}  // namespace urpo::answers
