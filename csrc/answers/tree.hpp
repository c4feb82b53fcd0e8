// An answer as a tree of what it says.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "names.hpp"
#include "rational.hpp"

namespace urpo::answers {

enum class Kind {
  kNumber,  // value; decimals
  kMixed,   // value, as in 1 1/2
  kSymbol,  // text: a variable or a name
  kPi,
  kEuler,
  kImaginary,
  kInfinity,
  kAdd,        // args
  kMultiply,   // args
  kDivide,     // args: numerator, denominator
  kNegate,     // args: one
  kPower,      // args: base, exponent
  kRoot,       // args: radicand, index
  kFunction,   // text; args: argument, for a logarithm maybe the base
  kApply,      // text: a function that is not known; args
  kFactorial,  // args: one
  kBinomial,   // args: two
  kAbsolute,   // args: one
  kFloor,
  kCeiling,
  kPlusMinus,  // args: one, or two; text "pm" or "mp"
  kPercent,    // args: one
  kDegree,     // args: one; an angle inside a formula
  kQuantity,   // args: one; unit, text (nouns that are no known unit)
  kBased,      // text: the digits; value: the base
  kRatio,      // args: two or more
  kBracketed,  // args: two or more; text: the delimiters, "()", "[)", ...
  kBraces,     // args: the elements of a set
  kList,       // args: two or more; text "," or "or", of inequalities also "and"
  kMatrix,     // args by rows; columns
  kRelation,   // args: two or more sides; relations
  kUnion,      // args
  kIntersection,
  kDifference,
  kReals,
  kEmptySet,
};

enum class Relation {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kApproximate,
  kElement
};

// a R b is b mirrored(R) a.
inline Relation mirrored(Relation relation) {
  switch (relation) {
    case Relation::kLess:
      return Relation::kGreater;
    case Relation::kLessEqual:
      return Relation::kGreaterEqual;
    case Relation::kGreater:
      return Relation::kLess;
    case Relation::kGreaterEqual:
      return Relation::kLessEqual;
    default:
      return relation;
  }
}

struct Node;
using NodePtr = std::shared_ptr<const Node>;

struct Node {
  Kind kind;
  std::vector<NodePtr> args;
  std::string text;
  Rational value;
  int decimals = -1;
  std::size_t columns = 0;
  std::vector<Relation> relations;
  Unit unit;
};

inline NodePtr make_node(Kind kind, std::vector<NodePtr> args = {}, std::string text = {}) {
  Node node{};
  node.kind = kind;
  node.args = std::move(args);
  node.text = std::move(text);
  return std::make_shared<const Node>(std::move(node));
}

inline NodePtr make_number(Rational value, int decimals = -1) {
  Node node{};
  node.kind = Kind::kNumber;
  node.value = std::move(value);
  node.decimals = decimals;
  return std::make_shared<const Node>(std::move(node));
}

}  // namespace urpo::answers
