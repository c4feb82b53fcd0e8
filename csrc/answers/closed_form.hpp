// Formulas in a canonical form, in which equal ones are the same as far as exact rules reach.
//
// A form is a quotient of two sums of terms; a term is a rational number times powers of atoms: a
// variable, pi, e, i, a prime number (with exponents between 0 and 1: the roots), the logarithm of
// a prime, and whatever else has no rules here (the root of a sum, a function of a variable).
// Sums of distinct products of roots of primes are never zero (Besicovitch 1940), pi and e are
// transcendental: where a difference contains no other atoms it is not zero for sure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "exponent.hpp"
#include "rational.hpp"
#include "tree.hpp"

namespace urpo::answers {

using Monomial = std::vector<std::pair<int, Exponent>>;  // (atom, exponent), by atom
using Polynomial = std::map<Monomial, Rational>;         // without zero coefficients

struct Form {
  Polynomial numerator;
  Polynomial denominator;
};

// The work that one comparison may cost, however many formulas it consists of.
class Budget {
 public:
  void spend(std::size_t work) {
    spent_ += work;
    if (spent_ > kMaxWork) throw LimitExceeded("a comparison takes too long");
  }

 private:
  static constexpr std::size_t kMaxWork = 4'000'000;
  std::size_t spent_ = 0;
};

// The atoms that the forms of one comparison share.
class Forms {
 public:
  explicit Forms(Budget& budget) : budget_(budget) {}

  // Throws Unsupported for what is no formula, Undefined for a division by zero, LimitExceeded.
  Form of(const Node& node);

  // a - b, times what no equality depends on: zero (empty) exactly if a and b are the same.
  Polynomial difference(const Form& a, const Form& b);
  // Whether a / b is a rational number, which is left in `ratio`; neither is zero.
  bool proportional(const Polynomial& a, const Polynomial& b, Rational& ratio);
  Polynomial product(const Polynomial& a, const Polynomial& b);
  // Times the least powers of variables that leave none in a denominator: x^{-1} + 1 is 1 + x.
  Polynomial without_denominators(const Polynomial& polynomial) const;

  // Whether a difference that is not zero as a form cannot be zero as a number or function.
  bool surely_not_zero(const Polynomial& difference) const;
  bool is_constant(const Polynomial& polynomial) const;
  // The highest total degree in variables, -1 where they occur inside of functions or roots.
  int degree(const Polynomial& polynomial) const;
  // The number itself, null for any other form.
  static const Rational* as_rational(const Form& form);
  static bool is_one(const Polynomial& polynomial);

 private:
  enum class AtomKind {
    kVariable,
    kPi,
    kEuler,
    kImaginary,
    kPrime,
    kLogPrime,
    kExponential,
    kRadical,
    kOpaque
  };
  struct Atom {
    AtomKind kind;
    std::int64_t prime = 0;  // kPrime, kLogPrime
    Polynomial radicand;     // kRadical
    bool has_variable = false;
  };

  int atom(AtomKind kind, const std::string& key, Atom value);
  int variable(const std::string& name);
  int opaque(const std::string& name, const std::vector<Form>& arguments);
  std::string key(const Form& form) const;
  std::string key(const Polynomial& polynomial) const;
  bool has_variable(const Polynomial& polynomial) const;
  void spend(std::size_t work) { budget_.spend(work); }

  Form constant(Rational value) const;
  Form of_atom(int id, Exponent exponent = {}) const;
  Form sum(const Form& a, const Form& b);
  Form product(const Form& a, const Form& b);
  Form quotient(const Form& a, const Form& b);
  Form negated(Form a) const;
  void add_to(Polynomial& polynomial, Monomial monomial, Rational coefficient);
  void multiply_terms(Polynomial& out, const Monomial& a, const Monomial& b, Rational coefficient);
  Form normalized(Form form);

  Form power(const Form& base, const Form& exponent);
  Form integer_power(const Form& base, std::int64_t exponent);
  Form rational_power(const Form& base, const Rational& exponent);
  Form root_of_number(const Rational& number, const Exponent& exponent);
  Form root_of_term(const Monomial& monomial, const Rational& coefficient, const Exponent& exponent,
                    bool& possible);
  Form exponential(const Form& base, const Form& exponent);
  std::vector<std::pair<std::int64_t, int>> factored(BigInt number, BigInt& rest);

  Form function(const Node& node);
  Form logarithm(const Form& argument);
  Form trigonometric(const std::string& name, const NodePtr& argument);
  Form sine_of_fifteen_degrees(std::int64_t count);
  Form absolute(const Node& argument);
  Form factorial(const Node& argument);
  Form binomial(const Node& node);
  Form falling(const Form& top, std::int64_t count);
  Form rounded(const Node& node);

  std::vector<Atom> atoms_;
  std::unordered_map<std::string, int> ids_;
  Budget& budget_;
};

}  // namespace urpo::answers
