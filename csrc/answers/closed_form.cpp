#include "closed_form.hpp"

#include <algorithm>

#include "ball.hpp"

namespace urpo::answers {
namespace {

constexpr std::size_t kMaxTerms = 2'000;

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

Polynomial Forms::without_denominators(const Polynomial& polynomial) const {
  std::map<int, Exponent> lowest;
  for (const auto& term : polynomial) {
    for (const auto& [id, exponent] : term.first) {
      const bool variable = atoms_[static_cast<std::size_t>(id)].kind == AtomKind::kVariable;
      if (!variable || !exponent.is_integer()) continue;
      const auto found = lowest.emplace(id, exponent).first;
      if (exponent < found->second) found->second = exponent;
    }
  }
  Polynomial out;
  for (const auto& [monomial, coefficient] : polynomial) {
    std::map<int, Exponent> powers(monomial.begin(), monomial.end());
    for (const auto& [id, exponent] : lowest) {
      if (exponent.numerator >= 0) continue;
      const auto found = powers.emplace(id, Exponent{0, 1}).first;
      found->second = found->second + Exponent{-exponent.numerator, 1};
    }
    Monomial term;
    for (const auto& power : powers) {
      if (power.second.numerator != 0) term.push_back(power);
    }
    out.emplace(std::move(term), coefficient);
  }
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

bool Forms::is_one(const Polynomial& polynomial) {
  return polynomial.size() == 1 && polynomial.begin()->first.empty() &&
         polynomial.begin()->second.is_one();
}

const Rational* Forms::as_rational(const Form& form) {
  static const Rational kZero;
  if (!is_one(form.denominator)) return nullptr;
  if (form.numerator.empty()) return &kZero;
  if (form.numerator.size() != 1 || !form.numerator.begin()->first.empty()) return nullptr;
  return &form.numerator.begin()->second;
}

}  // namespace urpo::answers
