#include "approximation.hpp"

#include "evaluate.hpp"
#include "tokens.hpp"

namespace urpo::answers {
namespace {

const Rational kHundredth(BigInt(1), BigInt(100));

// One unit of the last place that a number shows: 0.01 of 3.46, 100 of 1200. Of arithmetic, a
// hundredth of its value.
Ball tolerance(const Node& rounded, const Ball& value) {
  const Node& number = rounded.kind == Kind::kNegate ? *rounded.args[0] : rounded;
  if (number.kind != Kind::kNumber) {
    const Ball part = value * Ball(kHundredth);
    return part.sign() < 0 ? -part : part;
  }
  if (number.decimals > 0)
    return Ball(
        Rational(BigInt(1), power(BigInt(10), static_cast<std::uint64_t>(number.decimals))));
  BigInt unit = 1;
  if (number.value.is_zero() || !number.value.is_integer()) return Ball(Rational(1));
  for (BigInt rest = number.value.numerator(); (rest % BigInt(10)).is_zero();
       rest = rest / BigInt(10))
    unit = unit * BigInt(10);
  return Ball(Rational(unit));
}

struct Pair {
  Ball a;
  Ball b;
};

std::optional<Pair> real_values(const Node& a, const Node& b) {
  try {
    const ComplexBall left = evaluate(a);
    const ComplexBall right = evaluate(b);
    if (!left.is_real() || !right.is_real()) return std::nullopt;
    return Pair{left.re, right.re};
  } catch (const Unsupported&) {
    return std::nullopt;
  } catch (const Undefined&) {
    return std::nullopt;
  } catch (const LimitExceeded&) {
    return std::nullopt;
  }
}

}  // namespace

std::optional<bool> may_round_to(const Node& exact, const Node& rounded) {
  const auto values = real_values(exact, rounded);
  if (!values) return std::nullopt;
  const Ball unit = tolerance(rounded, values->b);
  const Ball difference = values->a - values->b;
  return (unit - difference).sign() > 0 && (unit + difference).sign() > 0;
}

bool may_equal(const Node& a, const Node& b) {
  const auto values = real_values(a, b);
  return !values || (values->a - values->b).sign() == 0;
}

}  // namespace urpo::answers
