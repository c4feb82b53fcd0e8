#include "restatement.hpp"

#include <algorithm>

#include "evaluate.hpp"

namespace urpo::answers {
namespace {

const Node& stripped_sign(const Node& node) {
  return node.kind == Kind::kNegate ? *node.args[0] : node;
}

bool is_number(const Node& node) { return node.kind == Kind::kNumber || node.kind == Kind::kMixed; }

std::size_t operations(const Node& node) {
  // The angle of \cos\frac{\pi}{3} and of e^{i\pi} is written no other way.
  const bool angle = node.kind == Kind::kFunction ||
                     (node.kind == Kind::kPower && node.args[0]->kind == Kind::kEuler);
  if (angle && contains(node, Kind::kPi)) return 0;
  // 8^{\frac13} is one operation, as \sqrt[3]{8} is.
  if (node.kind == Kind::kPower && is_plain_number(*node.args[1])) {
    return is_plain_number(*node.args[0]) ? 0 : operations(*node.args[0]);
  }
  std::size_t count = 0;
  if (node.kind == Kind::kAdd || node.kind == Kind::kMultiply) count = node.args.size() - 1;
  if (node.kind == Kind::kDivide) count = 1;
  for (const NodePtr& arg : node.args) count += operations(*arg);
  return count;
}

// 6.02 \cdot 10^{23}
bool is_scientific(const Node& node) {
  if (node.kind != Kind::kMultiply || node.args.size() != 2) return false;
  const Node& scale = *node.args[1];
  return is_number(*node.args[0]) && scale.kind == Kind::kPower && is_number(*scale.args[0]) &&
         scale.args[0]->value == Rational(10) && operations(*scale.args[1]) == 0;
}

bool is_prime(const Rational& value) {
  if (!value.is_integer() || value.numerator().bits() > 30 || value.negative()) return false;
  const std::int64_t n = value.numerator().to_int64();
  for (std::int64_t d = 2; d * d <= n; ++d) {
    if (n % d == 0) return false;
  }
  return n > 1;
}

// 2^3 \cdot 5: rising primes, at least one with an exponent.
bool is_factorisation(const Node& node) {
  if (node.kind != Kind::kMultiply) return false;
  Rational last = 1;
  bool powers = false;
  for (const NodePtr& factor : node.args) {
    const bool power = factor->kind == Kind::kPower;
    const Node& base = power ? *factor->args[0] : *factor;
    if (!is_number(base) || !is_prime(base.value) || !(last < base.value)) return false;
    if (power && !is_number(*factor->args[1])) return false;
    last = base.value;
    powers = powers || power;
  }
  return powers;
}

std::size_t powers(const Node& node) {
  std::size_t count = node.kind == Kind::kPower ? 1 : 0;
  for (const NodePtr& arg : node.args) count += powers(*arg);
  return count;
}

bool has_high_power(const Node& node) {
  const bool high =
      node.kind == Kind::kPower && is_number(*node.args[1]) && Rational(3) < node.args[1]->value;
  return high || std::any_of(node.args.begin(), node.args.end(),
                             [](const NodePtr& arg) { return has_high_power(*arg); });
}

// 2^{10} - 1, 1 - \frac{1}{2^{10}}: how such numbers are written where the work has been done.
bool is_beside_power(const Node& node, std::size_t operations) {
  return operations <= 2 && powers(node) == 1 && has_high_power(node);
}

std::size_t written_length(const Node& node) {
  std::size_t length = node.kind == Kind::kNumber ? node.value.numerator().bits() * 3 / 10 + 1 : 1;
  for (const NodePtr& arg : node.args) length += written_length(*arg);
  return length;
}

}  // namespace

bool is_plain_number(const Node& node) {
  const Node& value = stripped_sign(node);
  if (is_number(value)) return true;
  return value.kind == Kind::kDivide && is_number(stripped_sign(*value.args[0])) &&
         is_number(*value.args[1]);
}

bool is_restatement(const Node& answer, const Rational& value) {
  const Node& node = stripped_sign(answer);
  if (is_plain_number(node) || is_scientific(node) || is_factorisation(node)) return false;
  const std::size_t count = operations(node);
  if (count == 0 || (count == 1 && node.kind == Kind::kDivide)) return false;
  if (is_beside_power(node, count)) return false;
  return written_length(node) >= value.bits() * 3 / 10;
}

}  // namespace urpo::answers
