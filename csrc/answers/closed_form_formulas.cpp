// Canonical forms of formulas: from the tree, function by function.
#include <algorithm>

#include "ball.hpp"
#include "closed_form.hpp"
#include "evaluate.hpp"
#include "tokens.hpp"

namespace urpo::answers {

Form Forms::of(const Node& node) {
  spend(1);
  switch (node.kind) {
    case Kind::kNumber:
    case Kind::kMixed:
      return constant(node.value);
    case Kind::kSymbol:
      return of_atom(variable(node.text));
    case Kind::kPi:
      return of_atom(atom(AtomKind::kPi, "", {}));
    case Kind::kEuler:
      return of_atom(atom(AtomKind::kEuler, "", {}));
    case Kind::kImaginary:
      return of_atom(atom(AtomKind::kImaginary, "", {}));
    case Kind::kAdd: {
      Form total = of(*node.args[0]);
      for (std::size_t i = 1; i < node.args.size(); ++i) total = sum(total, of(*node.args[i]));
      return total;
    }
    case Kind::kMultiply: {
      Form total = of(*node.args[0]);
      for (std::size_t i = 1; i < node.args.size(); ++i) total = product(total, of(*node.args[i]));
      return total;
    }
    case Kind::kDivide: {
      const Form divisor = of(*node.args[1]);
      // What the rules above do not see to be zero must be seen not to be.
      if (!surely_not_zero(divisor.numerator) && is_constant(divisor.numerator) &&
          !evaluate(*node.args[1]).nonzero()) {
        throw Undefined("a division by what may be zero");
      }
      return quotient(of(*node.args[0]), divisor);
    }
    case Kind::kNegate:
      return negated(of(*node.args[0]));
    case Kind::kPower:
      return power(of(*node.args[0]), of(*node.args[1]));
    case Kind::kRoot: {
      const Form index = of(*node.args[1]);
      const Form radicand = of(*node.args[0]);
      const Rational* number = as_rational(index);
      if (number == nullptr || !number->is_integer() || number->is_zero() || number->negative()) {
        throw Unsupported("a root of unknown index");
      }
      const Rational* inside = as_rational(radicand);
      if (inside != nullptr && inside->negative() && number->numerator().is_odd()) {
        return negated(rational_power(constant(-*inside), number->inverse()));
      }
      return power(radicand, constant(number->inverse()));
    }
    case Kind::kPercent:
      return quotient(of(*node.args[0]), constant(100));
    case Kind::kDegree:
      return of(*node.args[0]);
    case Kind::kFunction:
      return function(node);
    case Kind::kApply:
      return of_atom(
          opaque("apply " + node.text, {product(of(*node.args[0]), of_atom(variable("")))}));
    case Kind::kFactorial:
      return factorial(*node.args[0]);
    case Kind::kBinomial:
      return binomial(node);
    case Kind::kAbsolute:
      return absolute(*node.args[0]);
    case Kind::kFloor:
    case Kind::kCeiling:
      return rounded(node);
    default:
      throw Unsupported("no formula");
  }
}

Form Forms::logarithm(const Form& argument) {
  const Rational* number = as_rational(argument);
  if (number == nullptr) {
    if (argument.numerator.size() == 1 && is_one(argument.denominator)) {
      const auto& [monomial, coefficient] = *argument.numerator.begin();
      // ln(c e^a p^b): by its factors, as long as all are positive numbers.
      const bool known = !coefficient.negative() &&
                         std::all_of(monomial.begin(), monomial.end(), [&](const auto& power) {
                           const AtomKind kind = atoms_[static_cast<std::size_t>(power.first)].kind;
                           return kind == AtomKind::kEuler || kind == AtomKind::kPrime;
                         });
      if (known) {
        Form total = logarithm(constant(coefficient));
        const Monomial factors = monomial;
        for (const auto& [id, exponent] : factors) {
          const Atom each = atoms_[static_cast<std::size_t>(id)];
          const Form one =
              each.kind == AtomKind::kEuler ? constant(1) : logarithm(constant(each.prime));
          total = sum(total, product(one, constant(Rational(BigInt(exponent.numerator),
                                                            BigInt(exponent.denominator)))));
        }
        return total;
      }
    }
    return of_atom(opaque("ln", {argument}));
  }
  if (number->negative() || number->is_zero())
    throw Undefined("a logarithm of what is not positive");
  Form total = constant(0);
  for (const bool top : {true, false}) {
    BigInt rest;
    for (const auto& [prime, count] :
         factored(top ? number->numerator() : number->denominator(), rest)) {
      Atom value{};
      value.prime = prime;
      const int id = atom(AtomKind::kLogPrime, std::to_string(prime), std::move(value));
      total = sum(total, product(of_atom(id), constant(top ? count : -count)));
    }
    if (!rest.is_one()) {
      const Form other = of_atom(opaque("ln", {constant(Rational(rest))}));
      total = sum(total, top ? other : negated(other));
    }
  }
  return total;
}

Form Forms::function(const Node& node) {
  const std::string& name = node.text;
  if (name == "ln") return logarithm(of(*node.args[0]));
  if (name == "log") {
    const Form base = node.args.size() > 1 ? of(*node.args[1]) : constant(10);
    return quotient(logarithm(of(*node.args[0])), logarithm(base));
  }
  if (name == "sinh" || name == "cosh" || name == "tanh") {
    const Form argument = of(*node.args[0]);
    const Form euler = of_atom(atom(AtomKind::kEuler, "", {}));
    const Form up = power(euler, argument);
    const Form down = power(euler, negated(argument));
    if (name == "tanh") return quotient(sum(up, negated(down)), sum(up, down));
    return quotient(name == "sinh" ? sum(up, negated(down)) : sum(up, down), constant(2));
  }
  if (name == "arcsin" || name == "arccos" || name == "arctan")
    return of_atom(opaque(name, {of(*node.args[0])}));
  return trigonometric(name, node.args[0]);
}

Form Forms::sine_of_fifteen_degrees(std::int64_t count) {
  const std::int64_t turn = ((count % 24) + 24) % 24;
  if (turn >= 12) return negated(sine_of_fifteen_degrees(turn - 12));
  const std::int64_t first = turn <= 6 ? turn : 12 - turn;
  const auto root = [&](std::int64_t n, std::int64_t divisor) {
    return quotient(root_of_number(Rational(n), {1, 2}), constant(divisor));
  };
  switch (first) {
    case 0:
      return constant(0);
    case 1:
      return sum(root(6, 4), negated(root(2, 4)));
    case 2:
      return constant(Rational(BigInt(1), BigInt(2)));
    case 3:
      return root(2, 2);
    case 4:
      return root(3, 2);
    case 5:
      return sum(root(6, 4), root(2, 4));
    default:
      return constant(1);
  }
}

Form Forms::trigonometric(const std::string& name, const NodePtr& argument) {
  const Form angle = of(*in_radians(argument));
  const Form pi = of_atom(atom(AtomKind::kPi, "", {}));
  Form sine;
  Form cosine;
  const Form turns_form = quotient(product(angle, constant(12)), pi);
  const Rational* turns = as_rational(turns_form);
  if (turns != nullptr && turns->is_integer() && turns->numerator().bits() < 40) {
    const std::int64_t count = turns->numerator().to_int64();
    sine = sine_of_fifteen_degrees(count);
    cosine = sine_of_fifteen_degrees(count + 6);
  } else {
    sine = of_atom(opaque("sin", {angle}));
    cosine = of_atom(opaque("cos", {angle}));
  }
  if (name == "sin") return sine;
  if (name == "cos") return cosine;
  if (name == "tan") return quotient(sine, cosine);
  if (name == "cot") return quotient(cosine, sine);
  if (name == "sec") return quotient(constant(1), cosine);
  if (name == "csc") return quotient(constant(1), sine);
  throw Unsupported("a function without rules");
}

Form Forms::absolute(const Node& argument) {
  const Form inside = of(argument);
  if (const Rational* number = as_rational(inside))
    return constant(number->negative() ? -*number : *number);
  if (is_constant(inside.numerator) && is_constant(inside.denominator)) {
    const ComplexBall value = evaluate(argument);
    if (value.is_real() && value.re.sign() != 0)
      return value.re.sign() < 0 ? negated(inside) : inside;
    // |a + bi| is the root of the norm.
    if (is_one(inside.denominator) && contains(argument, Kind::kImaginary)) {
      const int imaginary = atom(AtomKind::kImaginary, "", {});
      Form conjugate = inside;
      for (auto& [monomial, coefficient] : conjugate.numerator) {
        for (const auto& power : monomial) {
          if (power.first == imaginary) coefficient = -coefficient;
        }
      }
      return rational_power(product(inside, conjugate), Rational(BigInt(1), BigInt(2)));
    }
  }
  const bool negative = !inside.numerator.empty() && inside.numerator.begin()->second.negative();
  return of_atom(opaque("abs", {negative ? negated(inside) : inside}));
}

Form Forms::factorial(const Node& argument) {
  const Form inside = of(argument);
  const Rational* number = as_rational(inside);
  if (number == nullptr) return of_atom(opaque("!", {inside}));
  if (!number->is_integer() || number->negative())
    throw Unsupported("a factorial of what is no natural number");
  if (number->numerator().bits() > 11) return of_atom(opaque("!", {inside}));
  BigInt product = 1;
  for (std::int64_t n = 2; n <= number->numerator().to_int64(); ++n) {
    spend(1 + product.words());
    product = product * BigInt(n);
  }
  return constant(Rational(product));
}

// n (n - 1) ... (n - k + 1) / k!
Form Forms::falling(const Form& top, std::int64_t count) {
  Form value = constant(1);
  for (std::int64_t i = 0; i < count; ++i) {
    const Form factor = sum(top, constant(Rational(-i)));
    value = product(value, quotient(factor, constant(Rational(i + 1))));
  }
  return value;
}

Form Forms::binomial(const Node& node) {
  const Form top = of(*node.args[0]);
  const Form bottom = of(*node.args[1]);
  const Rational* n = as_rational(top);
  const Rational* k = as_rational(bottom);
  if (n == nullptr && k != nullptr && k->is_integer() && !k->negative() && *k < Rational(9))
    return falling(top, k->numerator().to_int64());
  if (n == nullptr || k == nullptr || !n->is_integer() || !k->is_integer())
    return of_atom(opaque("binomial", {top, bottom}));
  if (n->negative() || k->negative() || *n < *k)
    throw Unsupported("a binomial outside of the triangle");
  if (n->numerator().bits() > 13) return of_atom(opaque("binomial", {top, bottom}));
  const std::int64_t size = n->numerator().to_int64();
  const std::int64_t chosen = std::min(k->numerator().to_int64(), size - k->numerator().to_int64());
  BigInt product = 1;
  for (std::int64_t i = 1; i <= chosen; ++i) {
    spend(1 + product.words());
    product = product * BigInt(size - chosen + i) / BigInt(i);
  }
  return constant(Rational(product));
}

Form Forms::rounded(const Node& node) {
  const Form inside = of(*node.args[0]);
  const bool down = node.kind == Kind::kFloor;
  const Rational* number = as_rational(inside);
  if (number == nullptr) return of_atom(opaque(down ? "floor" : "ceiling", {inside}));
  auto [quotient, remainder] = divide(number->numerator(), number->denominator());
  if (!remainder.is_zero() && number->negative() == down) quotient = quotient + (down ? -1 : 1);
  return constant(Rational(quotient));
}

}  // namespace urpo::answers
