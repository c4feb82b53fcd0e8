// Sums, products, powers and what else stands between the parts of a formula.
#include "formula_parser.hpp"

#include <unordered_set>

namespace urpo::answers {

NodePtr FormulaParser::sum() {
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

NodePtr FormulaParser::signed_term() {
  int minus = 0;
  int signs = 0;
  while (peek().is('+') || peek().is('-')) {
    minus += next().is('-') ? 1 : 0;
    if (++signs > 3) throw Unsupported("a row of signs");
  }
  NodePtr value = term();
  return minus % 2 == 1 ? make_node(Kind::kNegate, {value}) : value;
}

bool FormulaParser::starts_factor() const {
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

bool FormulaParser::is_factor_command(const std::string& name) {
  static const std::unordered_set<std::string> names = {
      "frac",   "sqrt",  "plain sqrt",     "pi",       "infty",    "binom",
      "lfloor", "lceil", "angle",          "triangle", "overline", "vec",
      "hat",    "bar",   "overrightarrow", "widehat",  "imath"};
  return names.count(name) != 0 || is_function(name) || name.compare(0, 6, "begin ") == 0;
}

bool FormulaParser::is_function(const std::string& name) {
  static const std::unordered_set<std::string> names = {
      "sin",    "cos", "tan", "cot", "sec",  "csc",  "arcsin", "arccos",
      "arctan", "log", "ln",  "exp", "sinh", "cosh", "tanh"};
  return names.count(name) != 0;
}

NodePtr FormulaParser::term() {
  std::vector<NodePtr> factors = {factor()};
  int divisions = 0;
  const auto close = [&]() -> NodePtr {
    return factors.size() == 1 ? factors.front() : make_node(Kind::kMultiply, factors);
  };
  while (true) {
    if (take('*')) {
      factors.push_back(signed_factor());
    } else if (peek().is('/') && peek(1).type != Token::Type::kWord && !is_unit_letter(peek(1))) {
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

bool FormulaParser::follows_group() const {
  return peek().type == Token::Type::kNumber && peek().spaced &&
         (tokens_[at_ - 1].is('}') || tokens_[at_ - 1].is(')'));
}

NodePtr FormulaParser::signed_factor() {
  const bool negative = take('-');
  if (!negative) take('+');
  NodePtr value = factor();
  return negative ? make_node(Kind::kNegate, {value}) : value;
}

NodePtr FormulaParser::factor() {
  const Nested nested(*this);
  const Token& first = peek();
  if (first.type == Token::Type::kNumber && first.decimals < 0 && first.value.is_integer()) {
    if (NodePtr mixed = mixed_number()) {
      const bool degrees =
          peek().is('^') && (peek(1).is_command("circ") || peek(2).is_command("circ"));
      return peek().is('%') || degrees || peek().is_command("degree") ? postfix(mixed) : mixed;
    }
  }
  return postfix(primary());
}

NodePtr FormulaParser::mixed_number() {
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

NodePtr FormulaParser::postfix(NodePtr value) {
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

bool FormulaParser::take_degree_exponent() {
  if (take_command("circ") || take_command("degree")) return true;
  if (peek().is('{') && (peek(1).is_command("circ") || peek(1).is_command("degree")) &&
      peek(2).is('}')) {
    at_ += 3;
    return true;
  }
  return false;
}

NodePtr FormulaParser::exponent() {
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

NodePtr FormulaParser::based_number(const NodePtr& digits) {
  const bool bracketed = at_ > 2 && tokens_[at_ - 1].is(')') && tokens_[at_ - 3].is('(');
  const Token& number = tokens_[at_ - (bracketed ? 2 : 1)];
  if (digits->decimals >= 0 || number.type != Token::Type::kNumber) {
    throw Unsupported("a subscript of what is no integer");
  }
  Node node{};
  node.kind = Kind::kBased;
  node.text = number.text;
  next();
  const bool braced = take('{');
  const Token& base = next();
  if (base.type != Token::Type::kNumber || !base.value.is_integer())
    throw Unsupported("a base that is no number");
  node.value = base.value;
  if (braced) expect('}');
  return std::make_shared<const Node>(std::move(node));
}

}  // namespace urpo::answers
