// Powers and roots of canonical forms.
#include <algorithm>

#include "ball.hpp"
#include "closed_form.hpp"
#include "tokens.hpp"

namespace urpo::answers {

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

}  // namespace urpo::answers
