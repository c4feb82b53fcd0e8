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

std::optional<bool> is_rounding(const Node& exact, const Node& rounded) {
  const auto values = real_values(exact, rounded);
  if (!values) return std::nullopt;
  const auto magnitude = [](const Ball& value) { return value.sign() < 0 ? -value : value; };
  const Ball size = magnitude(values->a);
  const Ball shown = magnitude(values->b);
  const Ball error = magnitude(values->a - values->b);
  Ball unit = tolerance(rounded, values->b);
  // Of 10 and 1000 the first zero is a place that is shown.
  if ((unit - Ball(Rational(1))).sign() > 0 && (unit - shown).sign() == 0)
    unit = unit * Ball(Rational(BigInt(1), BigInt(10)));
  const bool nearest = (unit - error - error).sign() >= 0;
  const bool cut =
      (unit - error).sign() > 0 && (size - shown).sign() >= 0 && (size - error).sign() >= 0;
  const bool misjudged =
      exact.kind != Kind::kNumber && (size - error * Ball(Rational(50))).sign() > 0;
  return nearest || cut || misjudged;
}

bool may_equal(const Node& a, const Node& b) {
  const auto values = real_values(a, b);
  return !values || (values->a - values->b).sign() == 0;
}

}  // namespace urpo::answers
