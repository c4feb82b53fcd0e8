#include "answer_forms.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "characters.hpp"
#include "evaluate.hpp"
#include "named_values.hpp"
#include "real_set.hpp"
#include "restatement.hpp"
#include "tokens.hpp"

namespace urpo::answers {

bool is_several(const Node& node) {
  return node.kind == Kind::kList || node.kind == Kind::kBraces || has_sign_choice(node);
}

bool is_approximated(const Node& node) {
  return node.kind == Kind::kRelation && node.relations.back() == Relation::kApproximate;
}

bool names_point(const Node& node) {
  return is_equation(node) && node.args[0]->kind == Kind::kBracketed && is_name(*node.args[0]);
}

bool has_several_names(const std::vector<NodePtr>& list) {
  std::set<std::string> names;
  for (const NodePtr& each : list) {
    const Named part = named(each);
    if (!part.name) continue;
    int numbers = 0;
    std::set<std::string> letters;
    collect_names(*part.name, letters, numbers);
    std::string key;
    for (const std::string& letter : letters) key += letter + " ";
    if (part.name->kind == Kind::kApply) key += "(";
    names.insert(key);
  }
  return names.size() > 1;
}

bool are_indexed(const std::vector<NodePtr>& list) {
  std::set<std::string> names;
  for (const NodePtr& each : list) {
    const NodePtr name = named(each).name;
    const bool indexed = name && name->kind == Kind::kSymbol && name->text.size() > 2 &&
                         name->text[1] == '_' &&
                         std::all_of(name->text.begin() + 2, name->text.end(), is_digit);
    if (!indexed || name->text[0] != named(list[0]).name->text[0]) return false;
    names.insert(name->text);
  }
  return names.size() == list.size();
}

bool names_coordinates(const Node& node) {
  return names_point(node) || (node.kind == Kind::kList && has_several_names(node.args));
}

NodePtr spelled_out(const Node& point) {
  const Node& names = *point.args[0];
  const Node& values = *point.args.back();
  if (values.kind != Kind::kBracketed || values.args.size() != names.args.size())
    throw Unsupported("a point of other coordinates");
  std::vector<NodePtr> equations;
  for (std::size_t i = 0; i < names.args.size(); ++i) {
    Node equation{};
    equation.kind = Kind::kRelation;
    equation.args = {names.args[i], values.args[i]};
    equation.relations = {Relation::kEqual};
    equations.push_back(std::make_shared<const Node>(std::move(equation)));
  }
  return make_node(Kind::kList, std::move(equations), ",");
}

bool is_set_of_set(const Node& node) {
  return node.kind == Kind::kBraces && node.args.size() == 1 &&
         (node.args[0]->kind == Kind::kEmptySet || node.args[0]->kind == Kind::kBraces);
}

bool is_set(const Node& node) { return node.kind == Kind::kBraces || node.kind == Kind::kEmptySet; }

bool has_sets_as_elements(const Node& node) {
  const auto among = [](const NodePtr& arg) { return is_set(*arg); };
  if (node.kind == Kind::kBraces) return std::any_of(node.args.begin(), node.args.end(), among);
  // "\{1\}, \{2\}" may be two values.
  return node.kind == Kind::kList && std::all_of(node.args.begin(), node.args.end(), among) &&
         std::any_of(node.args.begin(), node.args.end(),
                     [](const NodePtr& arg) { return arg->args.size() > 1; });
}

bool has_names_only(const Node& node) {
  return (node.kind == Kind::kUnion || node.kind == Kind::kIntersection ||
          node.kind == Kind::kDifference) &&
         std::all_of(node.args.begin(), node.args.end(),
                     [](const NodePtr& arg) { return is_name(*arg); });
}

NodePtr simplified(const NodePtr& node) {
  NodePtr out = without_approximation(node);
  // {5} is 5, and x in S is S.
  while (true) {
    if (out->kind == Kind::kBraces && out->args.size() == 1 && !is_set_of_set(*out)) {
      out = out->args.front();
    } else if (is_membership(*out) && is_name(*out->args[0])) {
      out = out->args[1];
    } else if (is_equation(*out) && is_name(*out->args[0]) && is_surely_set(*out->args.back())) {
      out = out->args.back();
    } else {
      return out;
    }
  }
}

bool is_plain(const Node& node) {
  return is_plain_number(node) || node.kind == Kind::kQuantity || node.kind == Kind::kMatrix;
}

std::vector<NodePtr> by_name(std::vector<NodePtr> list) {
  const auto name_of = [](const NodePtr& each) {
    const NodePtr name = named(each).name;
    return name && name->kind == Kind::kSymbol ? name->text : std::string();
  };
  const bool all_named = std::none_of(list.begin(), list.end(),
                                      [&](const NodePtr& each) { return name_of(each).empty(); });
  if (all_named) {
    std::stable_sort(list.begin(), list.end(),
                     [&](const NodePtr& a, const NodePtr& b) { return name_of(a) < name_of(b); });
  }
  return list;
}

bool joined_alike(const Node& answer, const Node& gold) {
  const bool answer_alternative = answer.text == "or";
  const bool gold_alternative = gold.text == "or";
  if (answer_alternative == gold_alternative) return true;
  const auto names_several = [](const Node& node) {
    return node.kind != Kind::kBracketed && has_several_names(node.args);
  };
  if (names_several(answer) || names_several(gold)) return false;
  return (answer_alternative ? gold : answer).kind != Kind::kBracketed;
}

bool is_value_of_y(const Node& function, const Node& name) {
  return function.kind == Kind::kApply && function.args.size() == 1 &&
         function.args[0]->kind == Kind::kSymbol && name.kind == Kind::kSymbol &&
         name.text == "y" && function.args[0]->text != "y";
}

void strip_common_name(std::vector<NodePtr>& list) {
  for (NodePtr& each : list) each = named(each).value;
}

bool is_vector(const Node& node) {
  return node.text == "()" || (node.text == "[]" && node.args.size() > 2);
}

NodePtr scaled_matrix(const NodePtr& node) {
  if (node->kind == Kind::kNegate && node->args[0]->kind == Kind::kMatrix) {
    return scaled_matrix(make_node(Kind::kMultiply, {make_number(-1), node->args[0]}));
  }
  if (node->kind != Kind::kMultiply || node->args.size() != 2 ||
      node->args[1]->kind != Kind::kMatrix)
    return node;
  if (node->args[0]->kind == Kind::kMatrix) return node;
  Node copy = *node->args[1];
  for (NodePtr& entry : copy.args) entry = make_node(Kind::kMultiply, {node->args[0], entry});
  copy.text = "scaled";
  return std::make_shared<const Node>(std::move(copy));
}

NodePtr as_matrix(const NodePtr& node, const Node& other) {
  if (node->kind != Kind::kBracketed || other.kind != Kind::kMatrix) return node;
  Node matrix{};
  matrix.kind = Kind::kMatrix;
  const std::size_t rows = other.args.size() / other.columns;
  const bool nested = std::all_of(node->args.begin(), node->args.end(), [&](const NodePtr& row) {
    return row->kind == Kind::kBracketed && row->text == "[]" && row->args.size() == other.columns;
  });
  if (nested && node->text == "[]") {
    matrix.columns = other.columns;
    for (const NodePtr& row : node->args)
      matrix.args.insert(matrix.args.end(), row->args.begin(), row->args.end());
  } else if (is_vector(*node) && (rows == 1 || other.columns == 1)) {
    matrix.columns = other.columns == 1 ? 1 : node->args.size();
    matrix.args = node->args;
  } else {
    return node;
  }
  return std::make_shared<const Node>(std::move(matrix));
}

namespace {

NodePtr renamed(const NodePtr& node, const std::string& from, const std::string& to) {
  if (node->kind == Kind::kSymbol)
    return node->text == from ? make_node(Kind::kSymbol, {}, to) : node;
  if (node->args.empty()) return node;
  Node copy = *node;
  for (NodePtr& arg : copy.args) arg = renamed(arg, from, to);
  return std::make_shared<const Node>(std::move(copy));
}

// The letter x of an equation f(x) = ...; null for any other.
const Node* argument_of(const Node& equation) {
  const Node& function = *equation.args[0];
  const bool one = function.kind == Kind::kApply && function.args.size() == 1 &&
                   function.args[0]->kind == Kind::kSymbol;
  return one ? function.args[0].get() : nullptr;
}

}  // namespace

NodePtr with_argument_of(const NodePtr& gold, const NodePtr& answer) {
  const Node* from = argument_of(*answer);
  const Node* to = argument_of(*gold);
  if (from == nullptr || to == nullptr || from->text == to->text ||
      answer->args[0]->text != gold->args[0]->text)
    return answer;
  std::map<std::string, Rational> taken;
  collect_symbols(*answer, taken);
  return taken.count(to->text) != 0 ? answer : renamed(answer, from->text, to->text);
}

}  // namespace urpo::answers
