#include "closed_form.hpp"

#include <algorithm>
#include <numeric>

#include "ball.hpp"
#include "evaluate.hpp"
#include "tokens.hpp"

namespace urpo::answers {
namespace {

constexpr std::size_t kMaxTerms = 2'000;
constexpr std::int64_t kMaxExponent = 1'000'000;

Exponent make_exponent(std::int64_t numerator, std::int64_t denominator) {
  const std::int64_t common = std::gcd(numerator, denominator);
  const Exponent exponent{numerator / common, denominator / common};
  if (exponent.numerator > kMaxExponent || exponent.numerator < -kMaxExponent ||
      exponent.denominator > 10'000) {
    throw LimitExceeded("an exponent is too large");
  }
  return exponent;
}

Exponent to_exponent(const Rational& value) {
  if (value.numerator().bits() > 20 || value.denominator().bits() > 13)
    throw LimitExceeded("an exponent is too large");
  return make_exponent(value.numerator().to_int64(), value.denominator().to_int64());
}

Exponent operator+(const Exponent& a, const Exponent& b) {
  return make_exponent(a.numerator * b.denominator + b.numerator * a.denominator,
                       a.denominator * b.denominator);
}

Exponent operator*(const Exponent& a, const Exponent& b) {
  return make_exponent(a.numerator * b.numerator, a.denominator * b.denominator);
}

// The largest integer not above it.
std::int64_t floor_of(const Exponent& e) {
  return (e.numerator >= 0 ? e.numerator : e.numerator - e.denominator + 1) / e.denominator;
}

Rational rational_power_of_prime(std::int64_t prime, std::int64_t exponent) {
  if (exponent > 4000 || exponent < -4000) throw LimitExceeded("a power is too large");
  const BigInt value =
      power(BigInt(prime), static_cast<std::uint64_t>(exponent < 0 ? -exponent : exponent));
  return exponent < 0 ? Rational(BigInt(1), value) : Rational(value);
}

bool is_one(const Polynomial& polynomial) {
  return polynomial.size() == 1 && polynomial.begin()->first.empty() &&
         polynomial.begin()->second.is_one();
}

}  // namespace

// Atoms -------------------------------------------------------------------------------------------

int Forms::atom(AtomKind kind, const std::string& key, Atom value) {
  const auto [found, inserted] = ids_.emplace(std::to_string(static_cast<int>(kind)) + ":" + key,
                                              static_cast<int>(atoms_.size()));
  if (inserted) {
    value.kind = kind;
    atoms_.push_back(std::move(value));
  }
  return found->second;
}

int Forms::variable(const std::string& name) {
  Atom value{};
  value.has_variable = true;
  return atom(AtomKind::kVariable, name, std::move(value));
}

int Forms::opaque(const std::string& name, const std::vector<Form>& arguments) {
  Atom value{};
  std::string all = name;
  for (const Form& argument : arguments) {
    all += "|" + key(argument);
    value.has_variable = value.has_variable || has_variable(argument.numerator) ||
                         has_variable(argument.denominator);
  }
  return atom(AtomKind::kOpaque, all, std::move(value));
}

std::string Forms::key(const Polynomial& polynomial) const {
  std::string out;
  for (const auto& [monomial, coefficient] : polynomial) {
    out += coefficient.key();
    for (const auto& [id, exponent] : monomial) {
      out += "*" + std::to_string(id) + "^" + std::to_string(exponent.numerator) + "/" +
             std::to_string(exponent.denominator);
    }
    out += "+";
    if (out.size() > 100'000) throw LimitExceeded("a form is too long");
  }
  return out;
}

std::string Forms::key(const Form& form) const {
  return key(form.numerator) + "//" + key(form.denominator);
}

bool Forms::has_variable(const Polynomial& polynomial) const {
  return std::any_of(polynomial.begin(), polynomial.end(), [&](const auto& term) {
    return std::any_of(term.first.begin(), term.first.end(), [&](const auto& power) {
      return atoms_[static_cast<std::size_t>(power.first)].has_variable;
    });
  });
}

bool Forms::is_constant(const Polynomial& polynomial) const { return !has_variable(polynomial); }

// Arithmetic --------------------------------------------------------------------------------------

Form Forms::constant(Rational value) const {
  Form form;
  form.denominator.emplace(Monomial{}, Rational(1));
  if (!value.is_zero()) form.numerator.emplace(Monomial{}, std::move(value));
  return form;
}

Form Forms::of_atom(int id, Exponent exponent) const {
  Form form = constant(0);
  form.numerator.emplace(Monomial{{id, exponent}}, Rational(1));
  return form;
}

void Forms::add_to(Polynomial& polynomial, Monomial monomial, Rational coefficient) {
  if (coefficient.is_zero()) return;
  const auto [found, inserted] = polynomial.emplace(std::move(monomial), coefficient);
  if (inserted) {
    if (polynomial.size() > kMaxTerms) throw LimitExceeded("a formula has too many terms");
    return;
  }
  found->second = found->second + coefficient;
  if (found->second.is_zero()) polynomial.erase(found);
}

// Adds coefficient * a * b, with the rules of the atoms.
void Forms::multiply_terms(Polynomial& out, const Monomial& a, const Monomial& b,
                           Rational coefficient) {
  Monomial product;
  const Polynomial* radicand = nullptr;  // of a radical whose power became an integer
  auto i = a.begin();
  auto j = b.begin();
  while (i != a.end() || j != b.end()) {
    if (j == b.end() || (i != a.end() && i->first < j->first)) {
      product.push_back(*i++);
      continue;
    }
    if (i == a.end() || j->first < i->first) {
      product.push_back(*j++);
      continue;
    }
    const int id = i->first;
    Exponent exponent = i->second + j->second;
    const Atom& both = atoms_[static_cast<std::size_t>(id)];
    ++i;
    ++j;
    if (both.kind == AtomKind::kPrime) {
      const std::int64_t whole = floor_of(exponent);
      if (whole != 0) coefficient = coefficient * rational_power_of_prime(both.prime, whole);
      exponent = exponent + Exponent{-whole, 1};
    } else if (both.kind == AtomKind::kImaginary) {
      const std::int64_t turns = ((exponent.numerator % 4) + 4) % 4;
      if (turns >= 2) coefficient = -coefficient;
      exponent = {turns % 2, 1};
    } else if (both.kind == AtomKind::kRadical && radicand == nullptr && exponent.is_integer() &&
               exponent.numerator == 1) {
      radicand = &both.radicand;
      exponent = {0, 1};
    }
    if (exponent.numerator != 0) product.emplace_back(id, exponent);
  }
  if (radicand == nullptr) return add_to(out, std::move(product), std::move(coefficient));
  const Polynomial inside = *radicand;
  for (const auto& [monomial, factor] : inside) {
    spend(1 + factor.numerator().words());
    multiply_terms(out, product, monomial, coefficient * factor);
  }
}

Polynomial Forms::product(const Polynomial& a, const Polynomial& b) {
  if (is_one(a)) return b;
  if (is_one(b)) return a;
  Polynomial out;
  for (const auto& [left, x] : a) {
    for (const auto& [right, y] : b) {
      const std::size_t words = x.numerator().words() + x.denominator().words() +
                                y.numerator().words() + y.denominator().words();
      spend(4 + words * words);
      multiply_terms(out, left, right, x * y);
    }
  }
  return out;
}

// A denominator of one term is divided through.
Form Forms::normalized(Form form) {
  if (form.denominator.empty()) throw Undefined("a division by zero");
  if (form.numerator.empty()) return constant(0);
  if (form.denominator.size() != 1 || is_one(form.denominator)) return form;
  const auto& [monomial, coefficient] = *form.denominator.begin();
  Form out = constant(0);
  Monomial inverse = monomial;
  Rational scale = coefficient.inverse();
  for (auto& [id, exponent] : inverse) {
    exponent.numerator = -exponent.numerator;
    const Atom& each = atoms_[static_cast<std::size_t>(id)];
    if (each.kind == AtomKind::kPrime) {
      const std::int64_t whole = floor_of(exponent);
      scale = scale * rational_power_of_prime(each.prime, whole);
      exponent = exponent + Exponent{-whole, 1};
    } else if (each.kind == AtomKind::kImaginary) {
      scale = -scale;  // 1 / i
      exponent = {1, 1};
    }
  }
  for (const auto& [term, factor] : form.numerator) {
    spend(4 + factor.numerator().words() * scale.numerator().words());
    multiply_terms(out.numerator, term, inverse, factor * scale);
  }
  return out;
}

Form Forms::sum(const Form& a, const Form& b) {
  Form out;
  if (a.denominator == b.denominator) {
    out = a;
    for (const auto& [monomial, coefficient] : b.numerator)
      add_to(out.numerator, monomial, coefficient);
    return normalized(std::move(out));
  }
  out.numerator = product(a.numerator, b.denominator);
  for (const auto& [monomial, coefficient] : product(b.numerator, a.denominator)) {
    add_to(out.numerator, monomial, coefficient);
  }
  out.denominator = product(a.denominator, b.denominator);
  return normalized(std::move(out));
}

Form Forms::product(const Form& a, const Form& b) {
  return normalized({product(a.numerator, b.numerator), product(a.denominator, b.denominator)});
}

Form Forms::quotient(const Form& a, const Form& b) {
  if (b.numerator.empty()) throw Undefined("a division by zero");
  return normalized({product(a.numerator, b.denominator), product(a.denominator, b.numerator)});
}

Form Forms::negated(Form a) const {
  for (auto& term : a.numerator) term.second = -term.second;
  return a;
}

Polynomial Forms::difference(const Form& a, const Form& b) {
  if (a.denominator == b.denominator) {
    Polynomial out = a.numerator;
    for (const auto& [monomial, coefficient] : b.numerator) add_to(out, monomial, -coefficient);
    return out;
  }
  Polynomial out = product(a.numerator, b.denominator);
  for (const auto& [monomial, coefficient] : product(b.numerator, a.denominator))
    add_to(out, monomial, -coefficient);
  return out;
}

bool Forms::proportional(const Polynomial& a, const Polynomial& b, Rational& ratio) {
  if (a.size() != b.size() || a.empty()) return false;
  ratio = a.begin()->second / b.begin()->second;
  return std::equal(a.begin(), a.end(), b.begin(), [&](const auto& x, const auto& y) {
    return x.first == y.first && x.second == y.second * ratio;
  });
}

bool Forms::surely_not_zero(const Polynomial& difference) const {
  bool pi = false;
  bool euler = false;
  bool logarithm = false;
  for (const auto& term : difference) {
    int logarithms = 0;
    for (const auto& [id, exponent] : term.first) {
      const Atom& each = atoms_[static_cast<std::size_t>(id)];
      switch (each.kind) {
        case AtomKind::kPrime:
        case AtomKind::kImaginary:
          break;
        case AtomKind::kVariable:
          if (!exponent.is_integer()) return false;
          break;
        case AtomKind::kPi:
          pi = true;
          break;
        case AtomKind::kEuler:
          euler = true;
          break;
        case AtomKind::kLogPrime:
          // Baker: logarithms of primes are linearly independent over the algebraic numbers.
          if (!(exponent == Exponent{}) || ++logarithms > 1) return false;
          logarithm = true;
          break;
        default:
          return false;
      }
    }
  }
  return (pi ? 1 : 0) + (euler ? 1 : 0) + (logarithm ? 1 : 0) <= 1;
}

int Forms::degree(const Polynomial& polynomial) const {
  std::int64_t highest = 0;
  for (const auto& term : polynomial) {
    std::int64_t total = 0;
    for (const auto& [id, exponent] : term.first) {
      const Atom& each = atoms_[static_cast<std::size_t>(id)];
      if (!each.has_variable) continue;
      if (each.kind != AtomKind::kVariable || !exponent.is_integer() || exponent.numerator < 0)
        return -1;
      total += exponent.numerator;
    }
    highest = std::max(highest, total);
  }
  return static_cast<int>(highest);
}

const Rational* Forms::as_rational(const Form& form) {
  static const Rational kZero;
  if (!is_one(form.denominator)) return nullptr;
  if (form.numerator.empty()) return &kZero;
  if (form.numerator.size() != 1 || !form.numerator.begin()->first.empty()) return nullptr;
  return &form.numerator.begin()->second;
}

// Powers and roots --------------------------------------------------------------------------------

Form Forms::power(const Form& base, const Form& exponent) {
  const Rational* number = as_rational(exponent);
  if (number == nullptr) return exponential(base, exponent);
  if (number->is_zero()) {
    if (base.numerator.empty()) throw Undefined("zero to the power of zero");
    return constant(1);
  }
  if (!number->is_integer()) return rational_power(base, *number);
  if (number->numerator().bits() > 20) throw LimitExceeded("a power is too large");
  return integer_power(base, number->numerator().to_int64());
}

Form Forms::integer_power(const Form& base, std::int64_t exponent) {
  if (exponent < 0) return quotient(constant(1), integer_power(base, -exponent));
  if (exponent > 64 && (base.numerator.size() > 1 || base.denominator.size() > 1)) {
    throw LimitExceeded("a power of a sum is too large");
  }
  for (const auto& term : base.numerator) {
    if (!term.second.is_one() && term.second.bits() * static_cast<std::size_t>(exponent) > 16'384) {
      throw LimitExceeded("a power is too large");
    }
  }
  Form result = constant(1);
  Form square = base;
  while (exponent != 0) {
    if (exponent % 2 != 0) result = product(result, square);
    exponent /= 2;
    if (exponent != 0) square = product(square, square);
  }
  return result;
}

// The prime factors, and what is left after all small ones.
std::vector<std::pair<std::int64_t, int>> Forms::factored(BigInt number, BigInt& rest) {
  std::vector<std::pair<std::int64_t, int>> factors;
  if (number.words() > 64) throw LimitExceeded("a number is too long to factor");
  const auto divide_out = [&](std::int64_t prime) {
    int count = 0;
    while (true) {
      auto [quotient, remainder] = divide(number, BigInt(prime));
      if (!remainder.is_zero()) break;
      number = std::move(quotient);
      ++count;
    }
    if (count > 0) factors.emplace_back(prime, count);
  };
  for (std::int64_t prime = 2; prime < 2000 && !number.is_one(); prime += prime == 2 ? 1 : 2) {
    if (number.fits_int64() && prime * prime > number.to_int64()) break;
    spend(1 + number.words());
    divide_out(prime);
  }
  if (!number.is_one() && number.bits() <= 42) {
    // Below 2000^2 it is a prime; above, it is factored like the small ones.
    std::int64_t left = number.to_int64();
    for (std::int64_t prime = 2001; prime * prime <= left; prime += 2) {
      spend(1);
      int count = 0;
      for (; left % prime == 0; left /= prime) ++count;
      if (count > 0) factors.emplace_back(prime, count);
    }
    if (left != 1) factors.emplace_back(left, 1);
    number = 1;
  }
  rest = number;
  return factors;
}

// number^exponent for a positive number, by its primes.
Form Forms::root_of_number(const Rational& number, const Exponent& exponent) {
  Form result = constant(1);
  for (const bool top : {true, false}) {
    BigInt rest;
    const auto factors = factored(top ? number.numerator() : number.denominator(), rest);
    const std::int64_t sign = top ? 1 : -1;
    for (const auto& [prime, count] : factors) {
      const Exponent total = exponent * Exponent{sign * count, 1};
      const std::int64_t whole = floor_of(total);
      const Exponent part = total + Exponent{-whole, 1};
      Atom value{};
      value.prime = prime;
      if (part.numerator != 0) {
        result = product(
            result, of_atom(atom(AtomKind::kPrime, std::to_string(prime), std::move(value)), part));
      }
      if (whole != 0) result = product(result, constant(rational_power_of_prime(prime, whole)));
    }
    if (!rest.is_one()) {
      const int id = opaque("number", {constant(Rational(rest))});
      result = product(result, of_atom(id, exponent * Exponent{sign, 1}));
    }
  }
  return result;
}

// (coefficient * monomial)^exponent where each factor may be raised alone.
Form Forms::root_of_term(const Monomial& monomial, const Rational& coefficient,
                         const Exponent& exponent, bool& possible) {
  Form result = constant(1);
  possible = true;
  for (const auto& [id, power] : monomial) {
    const Atom each = atoms_[static_cast<std::size_t>(id)];
    switch (each.kind) {
      case AtomKind::kPi:
      case AtomKind::kEuler:
      case AtomKind::kExponential:
        result = product(result, of_atom(id, power * exponent));
        break;
      case AtomKind::kPrime: {
        const Exponent total = power * exponent;
        const std::int64_t whole = floor_of(total);
        const Exponent part = total + Exponent{-whole, 1};
        if (part.numerator != 0) result = product(result, of_atom(id, part));
        if (whole != 0)
          result = product(result, constant(rational_power_of_prime(each.prime, whole)));
        break;
      }
      case AtomKind::kVariable:
        // The root of an even power is an absolute value.
        possible = possible && !(power.numerator % 2 == 0 && power.is_integer() &&
                                 exponent.denominator % 2 == 0);
        result = product(result, of_atom(id, power * exponent));
        break;
      default:
        possible = false;
        return result;
    }
  }
  if (coefficient.negative()) {
    if (exponent.denominator == 2 && monomial.empty()) {
      const int imaginary = atom(AtomKind::kImaginary, "", {});
      result =
          product(result, integer_power(of_atom(imaginary), ((exponent.numerator % 4) + 4) % 4));
    } else {
      possible = false;
      return result;
    }
  }
  return product(result,
                 root_of_number(coefficient.negative() ? -coefficient : coefficient, exponent));
}

Form Forms::rational_power(const Form& base, const Rational& exponent) {
  if (base.numerator.empty()) {
    if (exponent.negative()) throw Undefined("a division by zero");
    return base;
  }
  const Exponent small = to_exponent(exponent);
  if (base.numerator.size() == 1 && is_one(base.denominator)) {
    bool possible = false;
    const auto& [monomial, coefficient] = *base.numerator.begin();
    Form result = root_of_term(monomial, coefficient, small, possible);
    if (possible) return result;
  }
  if (!is_one(base.denominator)) {
    return quotient(rational_power({base.numerator, constant(1).denominator}, exponent),
                    rational_power({base.denominator, constant(1).denominator}, exponent));
  }
  const std::int64_t whole = floor_of(small);
  const Exponent part = small + Exponent{-whole, 1};
  Atom value{};
  value.radicand = base.numerator;
  value.has_variable = has_variable(base.numerator);
  const int id = atom(AtomKind::kRadical, key(base.numerator), std::move(value));
  const Form radical = of_atom(id, part);
  return whole == 0 ? radical : product(radical, integer_power(base, whole));
}

// base^exponent where the exponent is no number: term by term of the exponent.
Form Forms::exponential(const Form& base, const Form& exponent) {
  std::vector<std::pair<std::string, std::int64_t>> bases;  // (key of the base, its power)
  const Rational* number = as_rational(base);
  const int euler = atom(AtomKind::kEuler, "", {});
  if (base.numerator == of_atom(euler).numerator && is_one(base.denominator)) {
    bases.emplace_back("e", 1);
  } else if (number != nullptr && !number->negative() && !number->is_zero()) {
    for (const bool top : {true, false}) {
      BigInt rest;
      for (const auto& [prime, count] :
           factored(top ? number->numerator() : number->denominator(), rest)) {
        bases.emplace_back(std::to_string(prime), top ? count : -count);
      }
      if (!rest.is_one()) bases.clear();
    }
  }
  if ((bases.empty() && !(number != nullptr && number->is_one())) ||
      !is_one(exponent.denominator)) {
    return of_atom(opaque("power", {base, exponent}));
  }
  Form result = constant(1);
  for (const auto& [monomial, coefficient] : exponent.numerator) {
    if (monomial.empty()) {
      result = product(result, power(base, constant(coefficient)));
      continue;
    }
    const Polynomial unit = {{monomial, Rational(1)}};
    for (const auto& [name, count] : bases) {
      Atom value{};
      value.has_variable = has_variable(unit);
      const int id = atom(AtomKind::kExponential, name + "^" + key(unit), std::move(value));
      result = product(result, of_atom(id, to_exponent(coefficient * Rational(count))));
    }
  }
  return result;
}

// Formulas ----------------------------------------------------------------------------------------

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
  return trigonometric(name, *node.args[0]);
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

Form Forms::trigonometric(const std::string& name, const Node& argument) {
  Form angle = of(argument);
  const Form pi = of_atom(atom(AtomKind::kPi, "", {}));
  if (argument.kind == Kind::kDegree) angle = quotient(product(angle, pi), constant(180));
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

Form Forms::binomial(const Node& node) {
  const Form top = of(*node.args[0]);
  const Form bottom = of(*node.args[1]);
  const Rational* n = as_rational(top);
  const Rational* k = as_rational(bottom);
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
