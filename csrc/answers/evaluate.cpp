#include "evaluate.hpp"

#include <algorithm>

#include "tokens.hpp"

namespace urpo::answers {
namespace {

ComplexBall real(const Rational& value) { return {Ball(value), {}}; }

Ball real_part(const ComplexBall& value) {
  if (!value.is_real()) throw Undefined("a complex number where a real one should be");
  return value.re;
}

// The exponent where it is a rational number, which has exact rules.
const Rational* rational_literal(const Node& node, Rational& storage) {
  if (node.kind == Kind::kNumber || node.kind == Kind::kMixed) return &node.value;
  if (node.kind == Kind::kNegate && rational_literal(*node.args[0], storage) != nullptr) {
    storage = -*rational_literal(*node.args[0], storage);
    return &storage;
  }
  if (node.kind == Kind::kDivide && node.args[0]->kind == Kind::kNumber &&
      node.args[1]->kind == Kind::kNumber && !node.args[1]->value.is_zero()) {
    storage = node.args[0]->value / node.args[1]->value;
    return &storage;
  }
  return nullptr;
}

class Evaluator {
 public:
  explicit Evaluator(const Point& point) : point_(point) {}

  ComplexBall value(const Node& node) const {
    switch (node.kind) {
      case Kind::kNumber:
      case Kind::kMixed:
        return real(node.value);
      case Kind::kSymbol: {
        const auto found = point_.values.find(node.text);
        if (found == point_.values.end()) throw Undefined("a symbol without a value");
        return real(found->second);
      }
      case Kind::kPi:
        return {Ball::pi(), {}};
      case Kind::kEuler:
        return {exp(Ball(Rational(1))), {}};
      case Kind::kImaginary:
        return {{}, Ball(Rational(1))};
      case Kind::kAdd: {
        ComplexBall sum{};
        for (const NodePtr& term : node.args) sum = sum + value(*term);
        return sum;
      }
      case Kind::kMultiply: {
        ComplexBall product = real(1);
        for (const NodePtr& factor : node.args) product = product * value(*factor);
        return product;
      }
      case Kind::kDivide:
        return value(*node.args[0]) / value(*node.args[1]);
      case Kind::kNegate:
        return ComplexBall{} - value(*node.args[0]);
      case Kind::kPower:
        return raised(value(*node.args[0]), *node.args[1]);
      case Kind::kRoot:
        return root(node);
      case Kind::kFunction:
        return function(node);
      case Kind::kAbsolute: {
        const ComplexBall inner = value(*node.args[0]);
        if (!inner.is_real()) return {sqrt(inner.re * inner.re + inner.im * inner.im), {}};
        return {inner.re.sign() < 0 ? -inner.re : inner.re, {}};
      }
      case Kind::kPercent:
        return value(*node.args[0]) * real(Rational(BigInt(1), BigInt(100)));
      case Kind::kDegree:
        return value(*node.args[0]);
      default:
        throw Unsupported("no number");
    }
  }

 private:
  ComplexBall principal_power(const ComplexBall& base, const Rational& exponent) const {
    if (point_.real_only && !exponent.is_integer() && base.re.sign() < 0) {
      throw Undefined("a root of a negative number");
    }
    return power(base, exponent);
  }

  ComplexBall raised(const ComplexBall& base, const Node& exponent) const {
    Rational storage;
    if (const Rational* literal = rational_literal(exponent, storage))
      return principal_power(base, *literal);
    const ComplexBall height = value(exponent);
    if (!base.is_real() || base.re.sign() <= 0)
      throw Undefined("a power of what may not be positive");
    return exp(height * ComplexBall{log(base.re), {}});
  }

  ComplexBall root(const Node& node) const {
    const Node& index = *node.args[1];
    if (index.kind != Kind::kNumber || !index.value.is_integer() ||
        index.value.numerator().bits() > 10 || index.value.is_zero() || index.value.negative()) {
      throw Unsupported("a root of unknown index");
    }
    const ComplexBall radicand = value(*node.args[0]);
    const bool odd = index.value.numerator().is_odd();
    if (odd && radicand.is_real() && radicand.re.sign() < 0) {
      return ComplexBall{} - power(ComplexBall{-radicand.re, {}}, index.value.inverse());
    }
    return principal_power(radicand, index.value.inverse());
  }

  ComplexBall function(const Node& node) const {
    const std::string& name = node.text;
    const Ball x = real_part(value(*in_radians(node.args[0])));
    const Ball unit(Rational(1));
    const Ball two(Rational(2));
    if (name == "ln") return {log(x), {}};
    if (name == "log") {
      const Ball base = node.args.size() > 1 ? real_part(value(*node.args[1])) : Ball(Rational(10));
      return {log(x) / log(base), {}};
    }
    if (name == "sin") return {sin(x), {}};
    if (name == "cos") return {cos(x), {}};
    if (name == "tan") return {sin(x) / cos(x), {}};
    if (name == "cot") return {cos(x) / sin(x), {}};
    if (name == "sec") return {unit / cos(x), {}};
    if (name == "csc") return {unit / sin(x), {}};
    if (name == "arctan") return {atan(x), {}};
    if (name == "arcsin") return {atan(x / sqrt(unit - x * x)), {}};
    if (name == "arccos") return {Ball::pi() / two - atan(x / sqrt(unit - x * x)), {}};
    if (name == "sinh") return {(exp(x) - exp(-x)) / two, {}};
    if (name == "cosh") return {(exp(x) + exp(-x)) / two, {}};
    if (name == "tanh") return {(exp(x) - exp(-x)) / (exp(x) + exp(-x)), {}};
    throw Unsupported("a function that is not evaluated");
  }

  const Point& point_;
};

}  // namespace

ComplexBall evaluate(const Node& node, const Point& point) { return Evaluator(point).value(node); }

void collect_symbols(const Node& node, std::map<std::string, Rational>& symbols) {
  if (node.kind == Kind::kSymbol) symbols.emplace(node.text, Rational());
  for (const NodePtr& arg : node.args) collect_symbols(*arg, symbols);
}

std::size_t literal_bits(const Node& node) {
  std::size_t bits = node.value.is_zero() ? 0 : node.value.bits();
  for (const NodePtr& arg : node.args) bits += literal_bits(*arg);
  return bits;
}

bool contains(const Node& node, Kind kind) {
  return node.kind == kind || std::any_of(node.args.begin(), node.args.end(),
                                          [&](const NodePtr& arg) { return contains(*arg, kind); });
}

NodePtr in_radians(const NodePtr& argument) {
  if (!contains(*argument, Kind::kDegree)) return argument;
  Node copy = *argument;
  for (NodePtr& arg : copy.args) arg = in_radians(arg);
  if (copy.kind != Kind::kDegree) return std::make_shared<const Node>(std::move(copy));
  return make_node(Kind::kDivide, {make_node(Kind::kMultiply, {copy.args[0], make_node(Kind::kPi)}),
                                   make_number(180)});
}

}  // namespace urpo::answers
