#include "named_values.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "approximation.hpp"
#include "characters.hpp"
#include "evaluate.hpp"
#include "restatement.hpp"
#include "tokens.hpp"

namespace urpo::answers {
bool has_sign_choice(const Node& node) { return contains(node, Kind::kPlusMinus); }

bool is_equation(const Node& node) {
  return node.kind == Kind::kRelation &&
         std::all_of(node.relations.begin(), node.relations.end(),
                     [](Relation relation) { return relation == Relation::kEqual; });
}

bool is_membership(const Node& node) {
  return node.kind == Kind::kRelation && node.relations.size() == 1 &&
         node.relations[0] == Relation::kElement;
}

void collect_names(const Node& node, std::set<std::string>& names, int& numbers) {
  if (node.kind == Kind::kSymbol || node.kind == Kind::kApply) names.insert(node.text);
  if (node.kind == Kind::kNumber || node.kind == Kind::kMixed) ++numbers;
  if (node.kind == Kind::kApply) return;
  for (const NodePtr& arg : node.args) collect_names(*arg, names, numbers);
}

namespace {

// x rather than A, \theta or a complex z: a letter that equations are solved for.
bool is_unknown(const Node& node) {
  return node.kind == Kind::kSymbol && node.text.size() == 1 && is_letter(node.text[0]) &&
         node.text[0] == lower(node.text[0]) &&
         std::string_view("zwuv").find(node.text[0]) == std::string_view::npos;
}

}  // namespace

// What a value may be called: x, f(2), AB, |AB|, NO / BO, S_1 : S_2, (p, q), sin A. An equation of
// |x| or ln x says something about x.
bool is_name(const Node& node) {
  switch (node.kind) {
    case Kind::kSymbol:
    case Kind::kApply:
    case Kind::kEuler:
    case Kind::kImaginary:
      return true;
    case Kind::kMultiply:
      return std::all_of(node.args.begin(), node.args.end(),
                         [](const NodePtr& arg) {
                           return arg->kind == Kind::kSymbol && arg->text[0] >= 'A' &&
                                  arg->text[0] <= 'Z';
                         }) ||
             (node.args.size() == 2 && node.args[0]->kind == Kind::kSymbol &&
              node.args[0]->text[0] >= 'A' && node.args[0]->text[0] <= 'Z' &&
              node.args[1]->kind == Kind::kSymbol);
    case Kind::kDivide:
    case Kind::kRatio:
    case Kind::kBracketed:
      return std::all_of(node.args.begin(), node.args.end(),
                         [](const NodePtr& arg) { return is_name(*arg); });
    case Kind::kAbsolute:
    case Kind::kFunction:
      return std::all_of(node.args.begin(), node.args.end(),
                         [](const NodePtr& arg) { return is_name(*arg) && !is_unknown(*arg); });
    default:
      return false;
  }
}

// "a + b", "x^2 + y^2", "xy": what a problem may ask for, several letters and no numbers between.
bool is_asked_for(const Node& node) {
  if (is_name(node)) return true;
  std::set<std::string> names;
  int numbers = 0;
  const auto bare = [&](const Node& term) {
    if (term.kind == Kind::kPower) {
      collect_names(*term.args[0], names, numbers);
    } else {
      collect_names(term, names, numbers);
    }
  };
  if (node.kind != Kind::kAdd && node.kind != Kind::kMultiply) return false;
  for (const NodePtr& term : node.args) bare(term->kind == Kind::kNegate ? *term->args[0] : *term);
  return names.size() >= 2 && numbers == 0;
}

// "x = 5", "x = 2 + 3 = 5" and "5" as a name and a value.
Named named(const NodePtr& node) {
  if (!is_equation(*node) || !is_name(*node->args.front())) return {nullptr, node};
  return {node->args.front(), node->args.back()};
}

// What stands before an approximation, unless that is only a name.
NodePtr without_approximation(const NodePtr& node) {
  if (node->kind != Kind::kRelation) return node;
  const auto found =
      std::find(node->relations.begin(), node->relations.end(), Relation::kApproximate);
  if (found == node->relations.end()) return node;
  const auto count = static_cast<std::size_t>(found - node->relations.begin());
  Node copy = *node;
  if (count == 0 && is_name(*node->args[0])) {
    copy.relations[0] = Relation::kEqual;
    return without_approximation(std::make_shared<const Node>(std::move(copy)));
  }
  // "5 \approx 6" is neither: digits are only rounded, while a root is often misjudged.
  const bool digits = node->args[count]->kind == Kind::kNumber;
  for (std::size_t i = count + 1; digits && i < node->args.size(); ++i) {
    if (!may_round_to(*node->args[count], *node->args[i]).value_or(true)) return node;
  }
  if (count == 0) return node->args[0];
  copy.args.resize(count + 1);
  copy.relations.resize(count);
  return std::make_shared<const Node>(std::move(copy));
}

namespace {

constexpr std::size_t kMaxElements = 40;

// Of a number as it is written: 2, -2, \frac12.
std::optional<Rational> plain_value(const Node& node) {
  if (node.kind == Kind::kNumber || node.kind == Kind::kMixed) return node.value;
  if (!is_plain_number(node)) return std::nullopt;
  const auto first = plain_value(*node.args[0]);
  if (!first) return std::nullopt;
  if (node.kind == Kind::kNegate) return -*first;
  const auto divisor = plain_value(*node.args[1]);
  if (!divisor || divisor->is_zero()) return std::nullopt;
  return *first / *divisor;
}

// The sum is ours: both values of "1 \pm 2" are written no shorter in one formula.
NodePtr signed_sum(const NodePtr& first, const NodePtr& last) {
  const auto a = plain_value(*first);
  const auto b = plain_value(*last);
  return a && b ? make_number(*a + *b) : make_node(Kind::kAdd, {first, last});
}

NodePtr with_sign(const NodePtr& node, bool upper) {
  if (node->args.empty()) return node;
  std::vector<NodePtr> args;
  for (const NodePtr& arg : node->args) args.push_back(with_sign(arg, upper));
  if (node->kind == Kind::kPlusMinus) {
    const bool plus = (node->text == "pm") == upper;
    NodePtr last = plus ? args.back() : make_node(Kind::kNegate, {args.back()});
    return args.size() == 1 ? last : signed_sum(args.front(), last);
  }
  Node copy = *node;
  copy.args = std::move(args);
  return std::make_shared<const Node>(std::move(copy));
}

void add_elements(const NodePtr& node, std::vector<NodePtr>& out) {
  if (out.size() > kMaxElements) throw LimitExceeded("a list of too many elements");
  if (node->kind == Kind::kList || node->kind == Kind::kBraces) {
    for (const NodePtr& arg : node->args) add_elements(without_approximation(arg), out);
  } else if (has_sign_choice(*node)) {
    if (node->kind == Kind::kBracketed) throw Unsupported("signs that may be chosen one by one");
    out.push_back(with_sign(node, true));
    out.push_back(with_sign(node, false));
  } else if (is_membership(*node) && node->args[1]->kind == Kind::kBraces) {
    add_elements(node->args[1], out);
  } else if (is_equation(*node) && node->args.back()->kind == Kind::kBraces) {
    add_elements(node->args.back(), out);
  } else {
    out.push_back(node);
  }
}

}  // namespace

std::vector<NodePtr> elements(const NodePtr& node) {
  std::vector<NodePtr> out;
  add_elements(node, out);
  return out;
}

}  // namespace urpo::answers
