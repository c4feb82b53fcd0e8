#include "real_set.hpp"

#include <algorithm>

#include "evaluate.hpp"
#include "tokens.hpp"

namespace urpo::answers {
namespace {

constexpr std::size_t kMaxPieces = 64;

// -1 and 1 are the infinities, 0 a number.
struct End {
  int infinite = 0;
  NodePtr value;
  Ball place;
  bool closed = false;
};

struct Piece {
  End low;
  End high;
};

using Pieces = std::vector<Piece>;  // disjoint, rising

const Node* infinity(const Node& node) {
  if (node.kind == Kind::kInfinity) return &node;
  return node.kind == Kind::kNegate && node.args[0]->kind == Kind::kInfinity ? &node : nullptr;
}

// A formula with every f(x) as a symbol of its own, and `symbol` replaced by zero where given.
NodePtr rewritten(const NodePtr& node, const std::string* zero) {
  if (node->kind == Kind::kApply) return make_node(Kind::kSymbol, {}, node->text + "()");
  if (node->kind == Kind::kSymbol && zero != nullptr && node->text == *zero) return make_number(0);
  if (node->args.empty()) return node;
  Node copy = *node;
  for (NodePtr& arg : copy.args) arg = rewritten(arg, zero);
  return std::make_shared<const Node>(std::move(copy));
}

class SetReader {
 public:
  SetReader(Budget& budget, bool is_gold) : budget_(budget), is_gold_(is_gold) {}

  Pieces read(const NodePtr& node) {
    budget_.spend(20);
    switch (node->kind) {
      case Kind::kReals:
        return {{infinite(-1), infinite(1)}};
      case Kind::kEmptySet:
        return {};
      case Kind::kBracketed:
        return interval(*node);
      case Kind::kBraces: {
        Pieces pieces;
        for (const NodePtr& element : node->args) pieces = united(pieces, point(element));
        return pieces;
      }
      case Kind::kUnion: {
        Pieces pieces = read(node->args[0]);
        for (std::size_t i = 1; i < node->args.size(); ++i)
          pieces = united(pieces, read(node->args[i]));
        return pieces;
      }
      case Kind::kIntersection: {
        Pieces pieces = read(node->args[0]);
        for (std::size_t i = 1; i < node->args.size(); ++i)
          pieces = intersected(pieces, read(node->args[i]));
        return pieces;
      }
      case Kind::kDifference:
        return intersected(read(node->args[0]), complement(read(node->args[1])));
      case Kind::kRelation:
        return relation(node);
      case Kind::kList:
        return list(*node);
      default:
        return point(node);
    }
  }

  Verdict compare(const Pieces& a, const Pieces& b) {
    if (a.size() != b.size()) return Verdict::kNo;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (a[i].low.closed != b[i].low.closed || a[i].high.closed != b[i].high.closed)
        return Verdict::kNo;
      if (order(a[i].low, b[i].low) != 0 || order(a[i].high, b[i].high) != 0) return Verdict::kNo;
    }
    return Verdict::kYes;
  }

 private:
  End infinite(int sign) const {
    End end;
    end.infinite = sign;
    return end;
  }

  End end_at(const NodePtr& value, bool closed) {
    if (infinity(*value) != nullptr) {
      if (closed) throw Unsupported("an interval that contains infinity");
      return infinite(value->kind == Kind::kInfinity ? 1 : -1);
    }
    if (value->kind == Kind::kQuantity) return end_at(value->args[0], closed);
    budget_.spend(3000);
    const ComplexBall place = evaluate(*value);
    if (!place.is_real()) throw Unsupported("an end that is not real");
    return {0, value, place.re, closed};
  }

  Pieces point(const NodePtr& value) {
    const End end = end_at(value, true);
    if (end.infinite != 0) throw Unsupported("infinity as an element");
    return {{end, end}};
  }

  Pieces interval(const Node& node) {
    if (node.args.size() != 2) throw Unsupported("an interval of more than two ends");
    Piece piece{end_at(node.args[0], node.text[0] == '['),
                end_at(node.args[1], node.text[1] == ']')};
    const int ends = order(piece.low, piece.high);
    if (ends > 0 || (ends == 0 && !(piece.low.closed && piece.high.closed)))
      throw Unsupported("an empty interval");
    return {piece};
  }

  // -1, 0, 1; equal only if exactly so.
  int order(const End& a, const End& b) {
    if (a.infinite != 0 || b.infinite != 0)
      return a.infinite < b.infinite ? -1 : a.infinite > b.infinite ? 1 : 0;
    if (const int sign = (a.place - b.place).sign(); sign != 0) return sign;
    Forms forms(budget_);
    if (!forms.difference(forms.of(*a.value), forms.of(*b.value)).empty()) {
      throw Unsupported("ends that cannot be ordered");
    }
    return 0;
  }

  // By where the set begins to contain what is above: [a before (a.
  bool low_before(const End& a, const End& b) {
    const int ends = order(a, b);
    return ends < 0 || (ends == 0 && a.closed && !b.closed);
  }

  Pieces united(Pieces pieces, const Pieces& more) {
    pieces.insert(pieces.end(), more.begin(), more.end());
    if (pieces.size() > kMaxPieces) throw LimitExceeded("a union of too many pieces");
    std::sort(pieces.begin(), pieces.end(),
              [&](const Piece& a, const Piece& b) { return low_before(a.low, b.low); });
    Pieces merged;
    for (const Piece& piece : pieces) {
      if (!merged.empty()) {
        Piece& last = merged.back();
        const int gap = order(piece.low, last.high);
        if (gap < 0 || (gap == 0 && (piece.low.closed || last.high.closed))) {
          const int ends = order(piece.high, last.high);
          if (ends > 0 || (ends == 0 && piece.high.closed)) last.high = piece.high;
          continue;
        }
      }
      merged.push_back(piece);
    }
    return merged;
  }

  Pieces complement(const Pieces& pieces) {
    Pieces out;
    End low = infinite(-1);
    for (const Piece& piece : pieces) {
      if (piece.low.infinite == 0) {
        End high = piece.low;
        high.closed = !piece.low.closed;
        out.push_back({low, high});
      }
      low = piece.high;
      low.closed = !piece.high.closed;
    }
    if (low.infinite != 1 || pieces.empty()) {
      if (pieces.empty()) low = infinite(-1);
      out.push_back({low, infinite(1)});
    }
    return out;
  }

  Pieces intersected(const Pieces& a, const Pieces& b) {
    return complement(united(complement(a), complement(b)));
  }

  // The numbers on one side of `bound`.
  Pieces half_line(Relation relation, const NodePtr& bound) {
    switch (relation) {
      case Relation::kLess:
        return {{infinite(-1), end_at(bound, false)}};
      case Relation::kLessEqual:
        return {{infinite(-1), end_at(bound, true)}};
      case Relation::kGreater:
        return {{end_at(bound, false), infinite(1)}};
      case Relation::kGreaterEqual:
        return {{end_at(bound, true), infinite(1)}};
      case Relation::kNotEqual:
        return complement(point(bound));
      case Relation::kEqual:
        return point(bound);
      default:
        throw Unsupported("a relation that is no inequality");
    }
  }

  Pieces relation(const NodePtr& node) {
    if (node->relations.size() == 1 && node->relations[0] == Relation::kElement)
      return read(node->args[1]);
    Pieces pieces = {{infinite(-1), infinite(1)}};
    std::string subject;
    for (std::size_t i = 0; i < node->relations.size(); ++i) {
      if (node->args[i]->kind == Kind::kNegate && infinity(*node->args[i]) != nullptr) continue;
      if (infinity(*node->args[i + 1]) != nullptr) continue;
      pieces = intersected(
          pieces, comparison(node->args[i], node->relations[i], node->args[i + 1], subject));
    }
    return pieces;
  }

  // |u| < b is -b < u < b, |u| > b is u < -b or u > b.
  Pieces absolute(const NodePtr& inside, Relation relation, const NodePtr& bound,
                  std::string& subject) {
    const NodePtr opposite = make_node(Kind::kNegate, {bound});
    const Pieces above = comparison(inside, relation, bound, subject);
    const Pieces below = comparison(inside, mirrored(relation), opposite, subject);
    const bool within = relation == Relation::kLess || relation == Relation::kLessEqual;
    return within || relation == Relation::kNotEqual ? intersected(above, below)
                                                     : united(above, below);
  }

  // left R right, linear in one symbol or its absolute value.
  Pieces comparison(const NodePtr& left, Relation relation, const NodePtr& right,
                    std::string& subject) {
    if (left->kind == Kind::kAbsolute) return absolute(left->args[0], relation, right, subject);
    if (right->kind == Kind::kAbsolute) {
      return absolute(right->args[0], mirrored(relation), left, subject);
    }
    const NodePtr difference =
        rewritten(make_node(Kind::kAdd, {left, make_node(Kind::kNegate, {right})}), nullptr);
    std::map<std::string, Rational> symbols;
    collect_symbols(*difference, symbols);
    if (symbols.size() != 1) throw Unsupported("an inequality in no or several variables");
    const std::string& symbol = symbols.begin()->first;
    if (!subject.empty() && subject != symbol)
      throw Unsupported("inequalities in several variables");
    subject = symbol;
    Forms forms(budget_);
    const NodePtr intercept = rewritten(difference, &symbol);
    const Form slope_form =
        forms.of(*make_node(Kind::kAdd, {difference, make_node(Kind::kNegate, {intercept})}));
    const Form variable = forms.of(*make_node(Kind::kSymbol, {}, symbol));
    Rational slope;
    if (slope_form.denominator != variable.denominator ||
        !forms.proportional(slope_form.numerator, variable.numerator, slope)) {
      throw Unsupported("an inequality that is not linear");
    }
    const NodePtr bound =
        make_node(Kind::kDivide, {make_node(Kind::kNegate, {intercept}), make_number(slope)});
    return half_line(slope.negative() ? mirrored(relation) : relation, bound);
  }

  // "x < 1 or x > 4" is a union. After a comma it is both, unless they exclude each other, and
  // after "and" it is both; but a gold whose "and" leaves nothing means the union as well.
  Pieces list(const Node& node) {
    Pieces united_pieces;
    Pieces common = {{infinite(-1), infinite(1)}};
    for (const NodePtr& item : node.args) {
      const Pieces pieces = read(item);
      united_pieces = united(united_pieces, pieces);
      if (node.text != "or") common = intersected(common, pieces);
    }
    if (node.text == "or") return united_pieces;
    return common.empty() && (node.text == "," || is_gold_) ? united_pieces : common;
  }

  Budget& budget_;
  bool is_gold_;
};

}  // namespace

bool is_inequality(const Node& node) {
  return node.kind == Kind::kRelation &&
         std::all_of(node.relations.begin(), node.relations.end(), [](Relation relation) {
           return relation != Relation::kEqual && relation != Relation::kApproximate &&
                  relation != Relation::kElement;
         });
}

bool is_surely_set(const Node& node) {
  switch (node.kind) {
    case Kind::kUnion:
    case Kind::kIntersection:
    case Kind::kDifference:
    case Kind::kReals:
    case Kind::kEmptySet:
      return true;
    case Kind::kBracketed:
      return node.args.size() == 2 &&
             (node.text == "[)" || node.text == "(]" || infinity(*node.args[0]) != nullptr ||
              infinity(*node.args[1]) != nullptr);
    case Kind::kList:
      return std::all_of(node.args.begin(), node.args.end(),
                         [](const NodePtr& arg) { return is_inequality(*arg); });
    default:
      return is_inequality(node);
  }
}

Verdict compare_sets(const NodePtr& answer, const NodePtr& gold, Budget& budget) {
  SetReader reader(budget, false);
  try {
    const Pieces gold_pieces = SetReader(budget, true).read(gold);
    return reader.compare(reader.read(answer), gold_pieces);
  } catch (const Undefined&) {
    return Verdict::kUndecided;
  } catch (const Unsupported&) {
    return Verdict::kUndecided;
  }
}

}  // namespace urpo::answers
