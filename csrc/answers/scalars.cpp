#include "scalars.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "ball.hpp"
#include "counted_things.hpp"
#include "evaluate.hpp"
#include "quantities.hpp"
#include "restatement.hpp"
#include "tokens.hpp"

namespace urpo::answers {
namespace {

// Rounded to fewer places, a number is not yet the number that it approximates.
constexpr int kMinDecimals = 6;
constexpr std::size_t kMaxLiteralBits = 700;
constexpr std::size_t kNumericBits = 200;
constexpr std::int64_t kSamples = 12;
constexpr std::size_t kMinAgreed = 4;

const Node& stripped_sign(const Node& node) {
  return node.kind == Kind::kNegate ? *node.args[0] : node;
}

// The literal of a plain decimal, null for anything else.
const Node* decimal_literal(const Node& node) {
  const Node& literal = stripped_sign(node);
  return literal.kind == Kind::kNumber && literal.decimals >= 0 ? &literal : nullptr;
}

std::size_t node_count(const Node& node) {
  std::size_t count = 1;
  for (const NodePtr& arg : node.args) count += node_count(*arg);
  return count;
}

// Whether a decimal is the correct rounding of a constant, to six places or more.
Verdict compare_rounded(const Node& decimal, const Node& exact) {
  const Node& literal = *decimal_literal(decimal);
  if (literal.decimals < kMinDecimals || literal.decimals > 60) return Verdict::kNo;
  const BigInt scale = power(BigInt(10), static_cast<std::uint64_t>(literal.decimals));
  if (compare((literal.value * Rational(scale)).numerator(), BigInt(1000)) < 0) return Verdict::kNo;
  const ComplexBall difference = evaluate(exact) - evaluate(decimal);
  if (!difference.is_real()) return Verdict::kNo;
  const Ball half(Rational(BigInt(1), scale * BigInt(2)));
  const bool above = (half - difference.re).sign() > 0;
  const bool below = (half + difference.re).sign() > 0;
  return above && below ? Verdict::kYes : Verdict::kNo;
}

// A lower bound of the binary logarithm of a tower of integers above 1, 0 for anything else.
double tower_bits(const Node& node) {
  if (node.kind == Kind::kNumber && Rational(1) < node.value) {
    return static_cast<double>(node.value.numerator().bits()) -
           static_cast<double>(node.value.denominator().bits());
  }
  if (node.kind != Kind::kPower) return 0;
  const double base = tower_bits(*node.args[0]);
  const double exponent = tower_bits(*node.args[1]);
  if (base <= 0 || exponent <= 0) return 0;
  return exponent > 100 ? 1e30 : std::exp2(exponent - 1) * base;
}

class FormulaComparison {
 public:
  FormulaComparison(const Node& answer, const Node& gold, Budget& budget)
      : answer_(answer), gold_(gold), budget_(budget) {}

  Verdict run() {
    const Verdict verdict = exact();
    if (verdict != Verdict::kNo) return verdict;
    return rounded();
  }

 private:
  Verdict exact() {
    if (is_plain_number(gold_) &&
        (contains(answer_, Kind::kFloor) || contains(answer_, Kind::kCeiling)))
      return Verdict::kNo;
    Forms forms(budget_);
    Form gold;
    Form answer;
    try {
      gold = forms.of(gold_);
    } catch (const LimitExceeded&) {
      if (const auto towers = compare_towers()) return *towers;
      throw;
    }
    try {
      answer = forms.of(answer_);
    } catch (const Undefined&) {
      return Verdict::kNo;  // an answer without a value, for a gold that has one
    } catch (const LimitExceeded&) {
      // 9^{9^9} is too large to write down, and so for any number that is written down.
      const Rational* value = Forms::as_rational(gold);
      if (value != nullptr && tower_bits(answer_) > static_cast<double>(value->bits()))
        return Verdict::kNo;
      throw;
    }
    const Polynomial difference = forms.difference(answer, gold);
    if (difference.empty()) {
      const Rational* value = Forms::as_rational(gold);
      if (value != nullptr && is_plain_number(gold_) && is_restatement(answer_, *value))
        return Verdict::kNo;
      return Verdict::kYes;
    }
    if (forms.surely_not_zero(difference)) return Verdict::kNo;
    return numeric();
  }

  // Of powers too large to write down: of one base by their exponents, and against what is smaller.
  std::optional<Verdict> compare_towers() {
    if (answer_.kind == Kind::kPower && answer_.args[0]->kind == Kind::kNumber &&
        gold_.kind == Kind::kPower && gold_.args[0]->kind == Kind::kNumber &&
        answer_.args[0]->value == gold_.args[0]->value && Rational(1) < gold_.args[0]->value) {
      return FormulaComparison(*answer_.args[1], *gold_.args[1], budget_).run();
    }
    const double bits = tower_bits(gold_);
    if (bits <= 0) return std::nullopt;
    Forms forms(budget_);
    try {
      const Form answer = forms.of(answer_);
      const Rational* value = Forms::as_rational(answer);
      if (value != nullptr && bits > static_cast<double>(value->bits())) return Verdict::kNo;
    } catch (const LimitExceeded&) {  // both are
    }
    return std::nullopt;
  }

  Verdict numeric() {
    Point point;
    collect_symbols(answer_, point.values);
    collect_symbols(gold_, point.values);
    if (contains(answer_, Kind::kApply) || contains(gold_, Kind::kApply))
      return Verdict::kUndecided;
    return point.values.empty() ? numeric_constant() : sampled(std::move(point));
  }

  ComplexBall difference_at(const Point& point) {
    budget_.spend(2000 * (node_count(answer_) + node_count(gold_)));
    return evaluate(answer_, point) - evaluate(gold_, point);
  }

  Verdict numeric_constant() {
    const ComplexBall difference = difference_at({});
    if (difference.nonzero()) return Verdict::kNo;
    const bool searched = literal_bits(answer_) + literal_bits(gold_) > kMaxLiteralBits;
    if (searched || !difference.within(kNumericBits)) return Verdict::kUndecided;
    // As in the exact case: a plain number is asked for.
    if (is_plain_number(gold_) && is_restatement(answer_, Rational())) return Verdict::kNo;
    return Verdict::kYes;
  }

  // Two formulas that agree at points nobody chose are the same wherever both are defined.
  Verdict sampled(Point point) {
    point.real_only = !contains(answer_, Kind::kImaginary) && !contains(gold_, Kind::kImaginary);
    std::size_t agreed = 0;
    for (std::int64_t sample = 0; sample < kSamples; ++sample) {
      std::int64_t index = 0;
      for (auto& [name, value] : point.values) {
        value = Rational(BigInt(53 + 17 * index + 29 * sample + 7 * index * sample),
                         BigInt(41 + 13 * sample + 5 * index));
        // Above 1, below 1, and negative: functions are undefined on one side or the other.
        if (sample % 3 == 1) value = value / Rational(7);
        if (sample % 3 == 2 && (index + sample / 3) % 2 == 0) value = -value;
        ++index;
      }
      try {
        const ComplexBall difference = difference_at(point);
        if (difference.nonzero()) return Verdict::kNo;
        if (!difference.within(kNumericBits)) return Verdict::kUndecided;
        ++agreed;
      } catch (const Undefined&) {  // another point will do
      }
    }
    const bool searched = literal_bits(answer_) + literal_bits(gold_) > kMaxLiteralBits;
    return agreed >= kMinAgreed && !searched ? Verdict::kYes : Verdict::kUndecided;
  }

  // "0.333333" for 1/3; two decimals are compared as they are.
  Verdict rounded() {
    const bool answer_decimal = decimal_literal(answer_) != nullptr;
    const bool gold_decimal = decimal_literal(gold_) != nullptr;
    const Node& other = stripped_sign(answer_decimal ? gold_ : answer_);
    if (answer_decimal == gold_decimal || other.kind == Kind::kNumber) return Verdict::kNo;
    if (gold_decimal && other.kind != Kind::kDivide && !contains(other, Kind::kRoot) &&
        !contains(other, Kind::kPi) && !contains(other, Kind::kEuler) &&
        !contains(other, Kind::kFunction) && !contains(other, Kind::kPower)) {
      return Verdict::kNo;
    }
    try {
      return answer_decimal ? compare_rounded(answer_, gold_) : compare_rounded(gold_, answer_);
    } catch (const Undefined&) {
      return Verdict::kNo;
    } catch (const Unsupported&) {
      return Verdict::kNo;
    }
  }

  const Node& answer_;
  const Node& gold_;
  Budget& budget_;
};

Verdict compare_formulas(const Node& answer, const Node& gold, Budget& budget) {
  return FormulaComparison(answer, gold, budget).run();
}

// Units -------------------------------------------------------------------------------------------

Verdict compare_values(const Node& answer, const Node& gold, Budget& budget);

Verdict compare_quantities(const Node& answer, const Node& gold, Budget& budget) {
  const bool answer_known = !answer.unit.dimensions.empty();
  const bool gold_known = !gold.unit.dimensions.empty();
  const Node& x = *answer.args[0];
  const Node& y = *gold.args[0];
  if (!answer.text.empty() && !gold.text.empty() && !same_things(answer.text, gold.text))
    return Verdict::kNo;
  if (answer_known && gold_known) {
    if (answer.unit.dimensions != gold.unit.dimensions) return Verdict::kNo;
    if (answer.unit.factor == gold.unit.factor) return compare_values(x, y, budget);
    const NodePtr scaled = make_node(
        Kind::kMultiply, {answer.args[0], make_number(answer.unit.factor / gold.unit.factor)});
    // The product is ours, so it restates nothing.
    if (is_plain_number(x) && is_plain_number(y)) {
      Forms forms(budget);
      return forms.difference(forms.of(*scaled), forms.of(y)).empty() ? Verdict::kYes
                                                                      : Verdict::kNo;
    }
    return compare_values(*scaled, y, budget);
  }
  // What is counted is no length: where both say what there is a number of, it is the same.
  if (answer_known != gold_known && !(answer_known ? gold : answer).text.empty())
    return Verdict::kNo;
  return compare_values(x, y, budget);
}

// A percentage is the share it stands for, or the number that stands before the sign; a fraction of
// one percent is not also that fraction.
Verdict compare_percentage(const Node& percent, const Node& other, bool answer_is_percent,
                           Budget& budget) {
  const NodePtr number = percent.args[0];
  const auto compare_with = [&](const Node& value) {
    return answer_is_percent ? compare_values(value, other, budget)
                             : compare_values(other, value, budget);
  };
  Forms forms(budget);
  const Form form = forms.of(*number);
  const Rational* value = Forms::as_rational(form);
  if (value == nullptr) return Verdict::kUndecided;
  const Verdict share = compare_with(*make_number(*value / Rational(100)));
  if (share == Verdict::kYes) return share;
  const bool whole = value->is_integer() || Rational(1) < (value->negative() ? -*value : *value);
  return whole ? compare_with(*number) : share;
}

// "10:30", which is no ratio when the other side is a time as well.
bool is_time(const Node& ratio) {
  return std::all_of(ratio.args.begin() + 1, ratio.args.end(), [](const NodePtr& part) {
    return part->kind == Kind::kNumber && part->text.size() == 2;
  });
}

Verdict compare_ratios(const Node& answer, const Node& gold, Budget& budget) {
  if (answer.args.size() != gold.args.size()) return Verdict::kNo;
  Forms forms(budget);
  bool same = true;
  bool proportional = !(is_time(answer) && is_time(gold));
  for (std::size_t i = 0; i < gold.args.size(); ++i) {
    const Form x = forms.of(*answer.args[i]);
    const Form y = forms.of(*gold.args[i]);
    same = same && forms.difference(x, y).empty();
    if (x.numerator.empty() || y.numerator.empty()) proportional = false;
    if (!proportional) continue;
    // a : b is c : d where a d = b c.
    const Form left = forms.of(*make_node(Kind::kMultiply, {answer.args[0], gold.args[i]}));
    const Form right = forms.of(*make_node(Kind::kMultiply, {answer.args[i], gold.args[0]}));
    const Polynomial difference = forms.difference(left, right);
    if (!difference.empty() && !forms.surely_not_zero(difference)) return Verdict::kUndecided;
    proportional = difference.empty();
  }
  return same || proportional ? Verdict::kYes : Verdict::kNo;
}

Verdict compare_values(const Node& answer, const Node& gold, Budget& budget) {
  const bool answer_percent = answer.kind == Kind::kPercent;
  const bool gold_percent = gold.kind == Kind::kPercent;
  if (answer_percent && gold_percent) return compare_values(*answer.args[0], *gold.args[0], budget);
  if (answer_percent) return compare_percentage(answer, gold, true, budget);
  if (gold_percent) return compare_percentage(gold, answer, false, budget);
  if (answer.kind == Kind::kRatio && gold.kind == Kind::kRatio)
    return compare_ratios(answer, gold, budget);
  if (answer.kind == Kind::kRatio || gold.kind == Kind::kRatio) {
    const Node& ratio = answer.kind == Kind::kRatio ? answer : gold;
    if (ratio.args.size() != 2) return Verdict::kNo;
    const NodePtr quotient = make_node(Kind::kDivide, ratio.args);
    return answer.kind == Kind::kRatio ? compare_values(*quotient, gold, budget)
                                       : compare_values(answer, *quotient, budget);
  }
  if (answer.kind == Kind::kInfinity || gold.kind == Kind::kInfinity) {
    return answer.kind == gold.kind ? Verdict::kYes : Verdict::kNo;
  }
  if (stripped_sign(answer).kind == Kind::kInfinity ||
      stripped_sign(gold).kind == Kind::kInfinity) {
    return answer.kind == gold.kind && stripped_sign(answer).kind == stripped_sign(gold).kind
               ? Verdict::kYes
               : Verdict::kNo;
  }
  return compare_formulas(answer, gold, budget);
}

// A gold "204_5" is also meant by "204": the problem says the base.
Verdict compare_based(const Node& answer, const Node& gold) {
  if (answer.kind == Kind::kBased && gold.kind == Kind::kBased) {
    return answer.value == gold.value && answer.text == gold.text ? Verdict::kYes : Verdict::kNo;
  }
  const Node& based = answer.kind == Kind::kBased ? answer : gold;
  const Node& other = answer.kind == Kind::kBased ? gold : answer;
  const bool integer = other.kind == Kind::kNumber && other.decimals < 0;
  if (!integer || other.value != Rational(BigInt::from_decimal(based.text))) return Verdict::kNo;
  return gold.kind == Kind::kBased || answer.value == Rational(10) ? Verdict::kYes : Verdict::kNo;
}

}  // namespace

Verdict compare_scalars(const Node& answer, const Node& gold, Budget& budget) {
  if (answer.kind == Kind::kBased || gold.kind == Kind::kBased) return compare_based(answer, gold);
  if (!says_only_a_value(answer, gold)) return Verdict::kNo;
  // A percentage is no length, price or number of things.
  const bool answer_percent = contains(answer, Kind::kPercent);
  const Node& other = answer_percent ? gold : answer;
  if (answer_percent != contains(gold, Kind::kPercent) && other.kind == Kind::kQuantity)
    return Verdict::kNo;
  if (const auto angles = compare_angles(answer, gold, budget)) return *angles;
  if (answer.kind == Kind::kQuantity && gold.kind == Kind::kQuantity)
    return compare_quantities(answer, gold, budget);
  const Node& x = answer.kind == Kind::kQuantity ? *answer.args[0] : answer;
  const Node& y = gold.kind == Kind::kQuantity ? *gold.args[0] : gold;
  return compare_values(x, y, budget);
}

}  // namespace urpo::answers
