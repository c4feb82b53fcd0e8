#include "shapes.hpp"

#include <algorithm>
#include <map>

#include "answer_forms.hpp"
#include "evaluate.hpp"
#include "named_values.hpp"
#include "real_set.hpp"
#include "restatement.hpp"
#include "scalars.hpp"
#include "tokens.hpp"

namespace urpo::answers {
namespace {

class Comparison {
 public:
  explicit Comparison(Budget& budget) : budget_(budget) {}

  Verdict compare(const NodePtr& raw_answer, const NodePtr& raw_gold) {
    // Two roundings of the same have to agree as well.
    if (is_approximated(*raw_answer) && is_approximated(*raw_gold) &&
        compare_scalars(*raw_answer->args.back(), *raw_gold->args.back(), budget_) ==
            Verdict::kNo) {
      return Verdict::kNo;
    }
    NodePtr answer = simplified(raw_answer);
    NodePtr gold = simplified(raw_gold);
    // (x, y) = (1, 2) is (1, 2), unless the other side names its coordinates as well.
    const bool both_name = names_coordinates(*answer) && names_coordinates(*gold);
    if (names_point(*answer)) answer = both_name ? spelled_out(*answer) : answer->args.back();
    if (names_point(*gold)) gold = both_name ? spelled_out(*gold) : gold->args.back();
    if (is_set_of_set(*answer) != is_set_of_set(*gold)) return Verdict::kNo;
    if (has_names_only(*answer) && has_names_only(*gold))
      return compare_set_formulas(*answer, *gold);
    if (is_surely_set(*answer) || is_surely_set(*gold)) return compare_as_sets(answer, gold);
    if (is_several(*answer) || is_several(*gold)) return compare_several(answer, gold);
    if (answer->kind == Kind::kRelation || gold->kind == Kind::kRelation)
      return compare_relations(answer, gold);
    return compare_single(answer, gold);
  }

 private:
  Verdict compare_set_formulas(const Node& answer, const Node& gold) {
    if (answer.kind != gold.kind) return Verdict::kNo;
    return gold.kind == Kind::kDifference ? ordered(answer.args, gold.args)
                                          : unordered(answer.args, gold.args);
  }

  // Sets ------------------------------------------------------------------------------------------

  Verdict compare_as_sets(const NodePtr& answer, const NodePtr& gold) {
    if (is_inequality(*answer) && is_inequality(*gold)) {
      const Verdict chains = compare_chains(*answer, *gold);
      if (chains != Verdict::kUndecided) return chains;
      std::map<std::string, Rational> given;
      std::map<std::string, Rational> wanted;
      collect_symbols(*answer, given);
      collect_symbols(*gold, wanted);
      if (given != wanted) return Verdict::kUndecided;  // x > 3 is not about y
    }
    const Verdict sets = compare_sets(answer, gold, budget_);
    if (sets != Verdict::kUndecided) return sets;
    const bool one_is_inequality = is_inequality(*answer) || is_inequality(*gold);
    if (one_is_inequality && !is_surely_set(*answer))
      return is_plain(*answer) ? Verdict::kNo : sets;
    if (one_is_inequality && !is_surely_set(*gold)) return is_plain(*gold) ? Verdict::kNo : sets;
    if (answer->kind == Kind::kBracketed && gold->kind == Kind::kBracketed)
      return compare_points(*answer, *gold);
    return sets;
  }

  // f(2) < f(1) < f(4), side by side, in this direction or the other.
  Verdict compare_chains(const Node& answer, const Node& gold) {
    if (answer.args.size() != gold.args.size()) return Verdict::kUndecided;
    for (const bool reversed : {false, true}) {
      bool same = true;
      for (std::size_t i = 0; same && i < gold.relations.size(); ++i) {
        const Relation relation = reversed
                                      ? mirrored(answer.relations[answer.relations.size() - 1 - i])
                                      : answer.relations[i];
        same = relation == gold.relations[i];
      }
      for (std::size_t i = 0; same && i < gold.args.size(); ++i) {
        const NodePtr& side = reversed ? answer.args[answer.args.size() - 1 - i] : answer.args[i];
        same = compare_scalars(*side, *gold.args[i], budget_) == Verdict::kYes;
      }
      if (same) return Verdict::kYes;
    }
    const auto names_only = [](const Node& node) {
      return std::all_of(node.args.begin(), node.args.end(),
                         [](const NodePtr& side) { return is_name(*side); });
    };
    if (names_only(answer) && names_only(gold)) return Verdict::kNo;
    if (gold.relations.size() != 1) return Verdict::kUndecided;
    return compare_half_planes(answer, gold);
  }

  // a < b and k b > k a: the same up to the side and a positive factor.
  Verdict compare_half_planes(const Node& answer, const Node& gold) {
    Forms forms(budget_);
    const Polynomial x = forms.difference(forms.of(*answer.args[0]), forms.of(*answer.args[1]));
    const Polynomial y = forms.difference(forms.of(*gold.args[0]), forms.of(*gold.args[1]));
    Rational ratio;
    if (forms.degree(x) < 0 || forms.degree(y) < 0 || x.empty() || y.empty() ||
        !forms.proportional(x, y, ratio)) {
      return Verdict::kUndecided;
    }
    const Relation relation =
        ratio.negative() ? mirrored(answer.relations[0]) : answer.relations[0];
    return relation == gold.relations[0] ? Verdict::kYes : Verdict::kNo;
  }

  // Lists -----------------------------------------------------------------------------------------

  Verdict compare_several(const NodePtr& answer, const NodePtr& gold) {
    if (!joined_alike(*answer, *gold)) return Verdict::kNo;
    if (has_sets_as_elements(*answer) || has_sets_as_elements(*gold)) {
      const bool both = has_sets_as_elements(*answer) && has_sets_as_elements(*gold);
      return both ? unordered(answer->args, gold->args) : Verdict::kNo;
    }
    if (gold->kind == Kind::kBracketed) return compare_with_point(answer, *gold);
    if (answer->kind == Kind::kBracketed) return compare_point_with_list(*answer, gold);
    std::vector<NodePtr> answers = elements(answer);
    std::vector<NodePtr> golds = elements(gold);
    for (const NodePtr& each : golds) {
      if (is_equation(*each) && !is_consistent(*each)) return Verdict::kNo;
    }
    if (answers.size() == 1 && golds.size() == 1) return compare(answers[0], golds[0]);
    if (has_several_names(golds)) return compare_assignments(answers, golds);
    if (has_several_names(answers) && !are_indexed(answers))
      return ordered(by_name(answers), golds);
    // "p or q" is not "p and q".
    const auto only_names = [](const std::vector<NodePtr>& list) {
      return std::all_of(list.begin(), list.end(),
                         [](const NodePtr& each) { return is_name(*each); });
    };
    if (answer->text != gold->text && only_names(answers) && only_names(golds)) return Verdict::kNo;
    strip_common_name(answers);
    strip_common_name(golds);
    const bool repeats = has_repeats(golds);
    if (repeats && gold->kind == Kind::kList) return ordered(answers, golds);
    return unordered(without_repeats(answers), repeats ? without_repeats(golds) : golds);
  }

  bool same_name(const Node& a, const Node& b) {
    Forms forms(budget_);
    if (a.kind == Kind::kBracketed || b.kind == Kind::kBracketed || a.kind == Kind::kRatio ||
        b.kind == Kind::kRatio)
      return false;
    return forms.difference(forms.of(a), forms.of(b)).empty();
  }

  Verdict compare_assignments(const std::vector<NodePtr>& answers,
                              const std::vector<NodePtr>& golds) {
    if (answers.size() != golds.size()) return Verdict::kNo;
    const bool all_named = std::all_of(answers.begin(), answers.end(), [](const NodePtr& each) {
      return named(each).name != nullptr;
    });
    if (!all_named) return ordered(answers, golds);
    Verdict total = Verdict::kYes;
    for (const NodePtr& gold : golds) {
      const Named wanted = named(gold);
      const auto found = std::find_if(answers.begin(), answers.end(), [&](const NodePtr& each) {
        return wanted.name && same_name(*named(each).name, *wanted.name);
      });
      if (found == answers.end()) return Verdict::kUndecided;
      const Verdict each = compare(named(*found).value, wanted.value);
      if (each == Verdict::kNo) return each;
      if (each == Verdict::kUndecided) total = each;
    }
    return total;
  }

  Verdict ordered(const std::vector<NodePtr>& answers, const std::vector<NodePtr>& golds) {
    if (answers.size() != golds.size()) return Verdict::kNo;
    Verdict total = Verdict::kYes;
    for (std::size_t i = 0; i < golds.size(); ++i) {
      const Named given = named(answers[i]);
      const Named wanted = named(golds[i]);
      const Verdict each = compare(given.value, wanted.value);
      if (each == Verdict::kNo) return each;
      const bool renamed = given.name && wanted.name && !same_name(*given.name, *wanted.name);
      if (each == Verdict::kUndecided || renamed) total = Verdict::kUndecided;
    }
    return total;
  }

  bool has_repeats(const std::vector<NodePtr>& list) {
    return without_repeats(list).size() != list.size();
  }

  std::vector<NodePtr> without_repeats(const std::vector<NodePtr>& list) {
    std::vector<NodePtr> out;
    for (const NodePtr& each : list) {
      const bool repeated = std::any_of(out.begin(), out.end(), [&](const NodePtr& other) {
        return compare(each, other) == Verdict::kYes;
      });
      if (!repeated) out.push_back(each);
    }
    return out;
  }

  Verdict unordered(const std::vector<NodePtr>& answers, const std::vector<NodePtr>& golds) {
    if (answers.size() != golds.size()) return Verdict::kNo;
    std::vector<bool> used(answers.size());
    Verdict total = Verdict::kYes;
    for (const NodePtr& gold : golds) {
      bool matched = false;
      bool unsure = false;
      for (std::size_t i = 0; i < answers.size() && !matched; ++i) {
        if (used[i]) continue;
        // A set is no value here: elsewhere \{7\} is 7.
        const bool alike = is_set(*answers[i]) == is_set(*gold);
        const Verdict each = alike ? compare(answers[i], gold) : Verdict::kNo;
        matched = each == Verdict::kYes;
        used[i] = matched;
        unsure = unsure || each == Verdict::kUndecided;
      }
      if (!matched && !unsure) return Verdict::kNo;
      if (!matched) total = Verdict::kUndecided;
    }
    return total;
  }

  // Points ----------------------------------------------------------------------------------------

  // A gold in parentheses is ordered: "1, 3" is (1, 3), "3, 1" is not.
  Verdict compare_with_point(const NodePtr& answer, const Node& gold) {
    std::vector<NodePtr> answers = elements(answer);
    if (answers.size() == 1) return compare_points(*answers[0], gold);
    const bool several_names = has_several_names(answers);
    // "x = 1, x = 2" are two values, no point.
    const bool one_name = !several_names && named(answers[0]).name && named(answers[1]).name;
    if (one_name) return Verdict::kNo;
    if (several_names) answers = by_name(std::move(answers));
    // Braces say that there is no order.
    if (!is_vector(gold) || answer->kind == Kind::kBraces) return Verdict::kNo;
    return ordered(answers, gold.args);
  }

  // A gold list without parentheses is a set: its elements in another order may be meant by a
  // point.
  Verdict compare_point_with_list(const Node& answer, const NodePtr& gold) {
    if (!is_vector(answer) || gold->kind == Kind::kBraces) return Verdict::kNo;
    const std::vector<NodePtr> golds = elements(gold);
    const Verdict in_order = ordered(answer.args, golds);
    if (in_order == Verdict::kYes) return in_order;
    if (has_several_names(golds)) return in_order;
    std::vector<NodePtr> values = golds;
    strip_common_name(values);
    return unordered(answer.args, values) == Verdict::kNo ? Verdict::kNo : Verdict::kUndecided;
  }

  Verdict compare_points(const Node& answer, const Node& gold) {
    if (answer.kind != Kind::kBracketed || gold.kind != Kind::kBracketed) return Verdict::kNo;
    const Verdict values = ordered(answer.args, gold.args);
    if (values == Verdict::kNo || answer.text == gold.text) return values;
    // Two ends in other brackets are another interval; more of them are a vector.
    return gold.args.size() == 2 ? Verdict::kNo : Verdict::kUndecided;
  }

  // Relations -------------------------------------------------------------------------------------

  // Whether all that follows the first side is the same. Formulas that only follow each other read
  // as one chain.
  bool is_consistent(const Node& chain) {
    for (std::size_t i = 1; i + 1 < chain.args.size(); ++i) {
      if (same_form(*chain.args[i], *chain.args.back()) != Verdict::kYes) return false;
    }
    return true;
  }

  Verdict compare_relations(const NodePtr& answer, const NodePtr& gold) {
    if (is_equation(*gold) && !is_consistent(*gold)) return Verdict::kNo;
    if (is_equation(*answer) && is_equation(*gold)) return compare_equations(answer, gold);
    if (is_equation(*answer)) return compare_equation_with_value(*answer, gold);
    if (is_equation(*gold)) {
      const Named wanted = named(gold);
      if (wanted.name) return compare(answer, wanted.value);
      return answer->kind == Kind::kRelation ? Verdict::kUndecided : Verdict::kNo;
    }
    return Verdict::kUndecided;
  }

  // "x = 5" for 5, "2 + 3 = 5" for 5, but neither "x + 3 = 5" nor "3 = 5".
  Verdict compare_equation_with_value(const Node& answer, const NodePtr& gold) {
    if (is_asked_for(*answer.args.front())) return compare(answer.args.back(), gold);
    std::map<std::string, Rational> symbols;
    collect_symbols(*answer.args.front(), symbols);
    if (!symbols.empty()) return Verdict::kNo;
    Forms forms(budget_);
    const Form last = forms.of(*answer.args.back());
    for (const NodePtr& side : answer.args) {
      if (!forms.difference(forms.of(*side), last).empty()) return Verdict::kNo;
    }
    return compare(answer.args.back(), gold);
  }

  Verdict compare_equations(const NodePtr& given_answer, const NodePtr& gold) {
    const Named wanted = named(gold);
    const NodePtr answer = with_argument_of(gold, given_answer);
    const Named given = named(answer);
    const bool points = (given.name && given.name->kind == Kind::kBracketed) ||
                        (wanted.name && wanted.name->kind == Kind::kBracketed);
    if (points)
      return given.name && wanted.name ? compare(given.value, wanted.value) : Verdict::kUndecided;
    if (given.name && wanted.name) {
      const bool ratio = given.name->kind == Kind::kRatio || wanted.name->kind == Kind::kRatio;
      if (ratio || same_name(*given.name, *wanted.name)) return compare(given.value, wanted.value);
      const bool values = is_plain_number(*given.value) && is_plain_number(*wanted.value);
      if (is_value_of_y(*given.name, *wanted.name) || is_value_of_y(*wanted.name, *given.name))
        return compare(given.value, wanted.value);
      const bool letters = given.name->kind == Kind::kSymbol && wanted.name->kind == Kind::kSymbol;
      if (values && letters && given.name->text.size() == 1 && wanted.name->text.size() == 1)
        return Verdict::kNo;
    }
    return compare_zero_sets(*answer, *gold);
  }

  // Equations up to sides and a factor.
  Verdict compare_zero_sets(const Node& answer, const Node& gold) {
    if (answer.args.size() != 2 || gold.args.size() != 2) return Verdict::kUndecided;
    Forms forms(budget_);
    const auto left_less_right = [&](const Node& sides) {
      return forms.without_denominators(
          forms.difference(forms.of(*sides.args[0]), forms.of(*sides.args[1])));
    };
    const Polynomial x = left_less_right(answer);
    const Polynomial y = left_less_right(gold);
    Rational ratio;
    if (x.empty() || y.empty()) {
      // Identities say what their sides are: "\log_8 4 = \frac{2}{3}".
      const bool same = x.empty() && y.empty() &&
                        same_form(*answer.args[0], *gold.args[0]) == Verdict::kYes &&
                        compare_scalars(*answer.args[1], *gold.args[1], budget_) == Verdict::kYes;
      return same ? Verdict::kYes : Verdict::kNo;
    }
    const int x_degree = forms.degree(x);
    const int y_degree = forms.degree(y);
    if (forms.proportional(x, y, ratio)) {
      return forms.is_constant(x) ? Verdict::kUndecided : Verdict::kYes;
    }
    // Equations in other polynomials may still have the same solutions, none for instance; what is
    // asked for is the equation.
    return x_degree >= 0 && y_degree >= 0 ? Verdict::kNo : Verdict::kUndecided;
  }

  // Single values ---------------------------------------------------------------------------------

  Verdict compare_single(const NodePtr& answer, const NodePtr& gold) {
    const NodePtr x = scaled_matrix(answer);
    const NodePtr y = scaled_matrix(gold);
    if (x->kind == Kind::kMatrix || y->kind == Kind::kMatrix)
      return compare_matrices(*as_matrix(x, *y), *as_matrix(y, *x));
    const bool point = answer->kind == Kind::kBracketed;
    if (point != (gold->kind == Kind::kBracketed)) return Verdict::kNo;
    if (point) return compare_points(*answer, *gold);
    return compare_scalars(*answer, *gold, budget_);
  }

  Verdict compare_matrices(const Node& answer, const Node& gold) {
    if (answer.kind != gold.kind) {
      const Node& other = answer.kind == Kind::kMatrix ? gold : answer;
      if (is_plain_number(other)) return Verdict::kNo;
      return Verdict::kUndecided;
    }
    if (answer.columns != gold.columns || answer.args.size() != gold.args.size())
      return Verdict::kNo;
    Verdict total = Verdict::kYes;
    for (std::size_t i = 0; i < gold.args.size(); ++i) {
      const Verdict each = answer.text == "scaled" ? same_form(*answer.args[i], *gold.args[i])
                                                   : compare(answer.args[i], gold.args[i]);
      if (each == Verdict::kNo) return each;
      if (each == Verdict::kUndecided) total = each;
    }
    return total;
  }

  // Without the rule against restatements: the factor before a matrix is notation.
  Verdict same_form(const Node& answer, const Node& gold) {
    Forms forms(budget_);
    const Polynomial difference = forms.difference(forms.of(answer), forms.of(gold));
    if (difference.empty()) return Verdict::kYes;
    return forms.surely_not_zero(difference) ? Verdict::kNo : Verdict::kUndecided;
  }

  Budget& budget_;
};

}  // namespace

Verdict compare_answers(const NodePtr& answer, const NodePtr& gold, Budget& budget) {
  return Comparison(budget).compare(answer, gold);
}

}  // namespace urpo::answers
