// The parts of formulas that bind tightest: numbers, symbols, brackets, commands.
#include "formula_parser.hpp"

namespace urpo::answers {

NodePtr FormulaParser::primary() {
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

NodePtr FormulaParser::group() {
  expect('{');
  NodePtr value = list();
  expect('}');
  return value;
}

NodePtr FormulaParser::bracketed() {
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

NodePtr FormulaParser::absolute() {
  expect('|');
  ++absolute_;
  NodePtr value = sum();
  --absolute_;
  expect('|');
  return make_node(Kind::kAbsolute, {value});
}

std::string FormulaParser::subscript() {
  std::string name = "_";
  if (!take('{')) return name + next().text;
  for (int count = 0; !peek().is('}'); ++count) {
    if (count > 8 || peek().type == Token::Type::kEnd) throw Unsupported("a long subscript");
    name += next().text;
  }
  next();
  return name;
}

NodePtr FormulaParser::symbol() {
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

bool FormulaParser::is_application(const std::string& name) const {
  if (name == "f" || name == "g" || name == "f'" || name == "g'") return true;
  int depth = 0;
  for (std::size_t ahead = 0; ahead < 12; ++ahead) {
    const Token& token = peek(ahead);
    depth += token.is('(') ? 1 : token.is(')') ? -1 : 0;
    if (depth == 0) return peek(ahead + 1).is('=') && at_ == 1;
  }
  return false;
}

NodePtr FormulaParser::command() {
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

NodePtr FormulaParser::argument() {
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

NodePtr FormulaParser::root() {
  NodePtr index = make_number(2);
  if (take('[')) {
    index = sum();
    expect(']');
  }
  return make_node(Kind::kRoot, {argument(), index});
}

// "\{x | x > 3\\}" and "\\{x \\in \\mathbb{R} : x > 3\\}" are what their condition says.
bool FormulaParser::take_set_builder() {
  std::size_t ahead = 1;
  if (peek(ahead).is_command("in") && peek(ahead + 1).is_command("reals")) ahead += 2;
  const bool builder =
      peek().type == Token::Type::kLetter && (peek(ahead).is('|') || peek(ahead).is(':'));
  if (builder) at_ += ahead + 1;
  return builder;
}

NodePtr FormulaParser::braces() {
  if (take_command("rbrace")) return make_node(Kind::kEmptySet);
  const bool builder = take_set_builder();
  NodePtr content = list();
  if (!take_command("rbrace")) throw Unsupported("an open brace");
  if (builder) return content;
  if (content->kind == Kind::kList) {
    const char* joint = content->text == "or" ? "or" : "";
    return make_node(Kind::kBraces, content->args, joint);
  }
  return make_node(Kind::kBraces, {content});
}

NodePtr FormulaParser::angle_brackets() {
  NodePtr content = list();
  if (!take_command("rangle") || content->kind != Kind::kList)
    throw Unsupported("an open angle bracket");
  return make_node(Kind::kBracketed, content->args, "()");
}

NodePtr FormulaParser::decorated(const std::string& name) {
  std::string letters;
  const bool braced = take('{');
  while (peek().type == Token::Type::kLetter && letters.size() < 20) letters += next().text;
  if (braced) expect('}');
  if (letters.empty()) throw Unsupported("a decoration of what is no letter");
  return make_node(Kind::kSymbol, {}, name + " " + letters);
}

NodePtr FormulaParser::function(const std::string& name) {
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
  // In parentheses an angle alone was read as a quantity.
  if (value->kind == Kind::kQuantity && value->text.empty() && value->unit == *find_unit("degree"))
    value = make_node(Kind::kDegree, value->args);
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

NodePtr FormulaParser::function_argument() {
  const bool negative = take('-');
  std::vector<NodePtr> factors = {factor()};
  while (starts_factor() && !peek().is('(') && !peek().is('[') &&
         !(peek().type == Token::Type::kCommand && is_function(peek().text))) {
    factors.push_back(factor());
  }
  NodePtr value = factors.size() == 1 ? factors.front() : make_node(Kind::kMultiply, factors);
  return negative ? make_node(Kind::kNegate, {value}) : value;
}

NodePtr FormulaParser::environment(const std::string& name) {
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

}  // namespace urpo::answers
