#include "canonical.hpp"

#include <algorithm>
#include <vector>

#include "answer_forms.hpp"
#include "ball.hpp"
#include "closed_form.hpp"
#include "equivalence.hpp"
#include "final_answer.hpp"
#include "notation.hpp"
#include "parser.hpp"
#include "rewriting.hpp"
#include "tokens.hpp"
#include "words.hpp"

namespace urpo::answers {
namespace {

// Throws Unsupported for what is no rational number or collection of them.
std::string key(const Node& node, Budget& budget) {
  switch (node.kind) {
    case Kind::kRelation:  // "x = 5"
      if (node.args.size() != 2 || node.relations.front() != Relation::kEqual ||
          node.args.front()->kind != Kind::kSymbol) {
        throw Unsupported("a relation");
      }
      return key(*node.args.back(), budget);
    case Kind::kBracketed:
    case Kind::kBraces:
    case Kind::kList: {
      std::vector<std::string> keys;
      for (const NodePtr& part : node.args) keys.push_back(key(*part, budget));
      // The order of a tuple says something.
      if (node.kind != Kind::kBracketed) std::sort(keys.begin(), keys.end());
      std::string joined = node.kind == Kind::kBracketed ? node.text : "{}";
      for (const std::string& each : keys) joined += "," + each;
      return joined + ";";
    }
    default: {
      const Form form = Forms(budget).of(node);
      const Rational* value = Forms::as_rational(form);
      if (value == nullptr) throw Unsupported("no rational number");
      return value->key();
    }
  }
}

}  // namespace

std::string canonical(std::string_view gold) {
  if (gold.size() > kMaxAnswerBytes) return std::string(gold);
  const std::string text = in_common_notation(normalized(gold_answer(gold)));
  try {
    Budget budget;
    return key(*simplified(parse(text)), budget);
  } catch (const Unsupported&) {
  } catch (const LimitExceeded&) {
  } catch (const Undefined&) {
  }
  return squeezed(unwrapped(text));
}

}  // namespace urpo::answers
