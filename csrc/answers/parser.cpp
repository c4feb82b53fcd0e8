#include "parser.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "quantity_parser.hpp"

namespace urpo::answers {
namespace {

// Lists, relations and sets around quantities.
class AnswerParser : private QuantityParser {
 public:
  explicit AnswerParser(std::vector<Token> tokens) : QuantityParser(std::move(tokens)) {}

  NodePtr run() {
    NodePtr answer = list();
    if (peek().type != Token::Type::kEnd) throw Unsupported("something follows the answer");
    return answer;
  }

 private:
  // Lists and relations ---------------------------------------------------------------------------

  bool at_list_end() const {
    const Token& token = peek();
    return token.type == Token::Type::kEnd || token.is(')') || token.is(']') || token.is('}') ||
           token.is_command("rbrace") || token.is_command("rangle") ||
           (token.type == Token::Type::kCommand && token.text.compare(0, 4, "end ") == 0);
  }

  // What separates two items: 0 for nothing, ',' binds before ';'.
  char take_separator(bool& alternative, bool& conjunction) {
    char found = 0;
    while (true) {
      if (peek().is(';') || peek().is_command("newline")) {
        found = ';';
      } else if (peek().is(',') || peek().is_word("and") || peek().is_word("or")) {
        alternative = alternative || peek().is_word("or");
        conjunction = conjunction || peek().is_word("and");
        if (found == 0) found = ',';
      } else {
        return found;
      }
      next();
    }
  }

  NodePtr list() override {
    const Nested nested(*this);
    std::vector<std::vector<NodePtr>> groups = {{item()}};
    bool alternative = false;
    bool conjunction = false;
    bool commas = false;
    while (const char separator = take_separator(alternative, conjunction)) {
      if (at_list_end()) {
        if (alternative || conjunction) throw Unsupported("an \"and\" or \"or\" before nothing");
        break;
      }
      if (separator == ';') groups.emplace_back();
      commas = commas || separator == ',';
      groups.back().push_back(item());
    }
    std::vector<NodePtr> items;
    for (std::vector<NodePtr>& group : groups) {
      // "p = 5, q = 2; p = 7, q = 2" are two points.
      const bool point = groups.size() > 1 && commas && group.size() > 1;
      if (point) {
        items.push_back(make_node(Kind::kBracketed, std::move(group), "()"));
      } else {
        items.insert(items.end(), group.begin(), group.end());
      }
    }
    if (items.size() == 1) return items.front();
    if (groups.size() == 1) gather_points(items);
    if (items.size() == 1) return items.front();
    spread_exclusion(items);
    const bool relations = std::all_of(items.begin(), items.end(), [](const NodePtr& each) {
      return each->kind == Kind::kRelation && each->relations[0] != Relation::kEqual;
    });
    const bool points = items.front()->kind == Kind::kBracketed;
    const char* joint = alternative && !points ? "or" : conjunction && relations ? "and" : ",";
    return make_node(Kind::kList, std::move(items), joint);
  }

  // "x = 1, y = 2 or x = 2, y = 1": the names begin again with every solution.
  static void gather_points(std::vector<NodePtr>& items) {
    const auto name_of = [&](std::size_t i) {
      const Node& item = *items[i];
      const bool assigns = item.kind == Kind::kRelation && item.args.size() == 2 &&
                           item.relations[0] == Relation::kEqual &&
                           item.args[0]->kind == Kind::kSymbol;
      return assigns ? item.args[0]->text : std::string();
    };
    std::size_t size = 1;
    while (size < items.size() && name_of(size) != name_of(0)) ++size;
    if (size < 2 || size == items.size() || items.size() % size != 0) return;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (name_of(i).empty() || name_of(i) != name_of(i % size)) return;
    }
    std::vector<NodePtr> points;
    for (std::size_t i = 0; i < items.size(); i += size) {
      const auto begin = items.begin() + static_cast<std::ptrdiff_t>(i);
      std::vector<NodePtr> point(begin, begin + static_cast<std::ptrdiff_t>(size));
      std::sort(point.begin(), point.end(), [](const NodePtr& a, const NodePtr& b) {
        return a->args[0]->text < b->args[0]->text;
      });
      points.push_back(make_node(Kind::kBracketed, std::move(point), "()"));
    }
    items = std::move(points);
  }

  // "x \ne -8, -2" excludes both.
  static void spread_exclusion(std::vector<NodePtr>& items) {
    const Node& first = *items.front();
    if (first.kind != Kind::kRelation || first.relations.size() != 1 ||
        first.relations[0] != Relation::kNotEqual)
      return;
    for (std::size_t i = 1; i < items.size(); ++i) {
      if (items[i]->kind == Kind::kRelation) return;
    }
    for (std::size_t i = 1; i < items.size(); ++i) {
      Node relation = first;
      relation.args[1] = items[i];
      items[i] = std::make_shared<const Node>(std::move(relation));
    }
  }

  std::optional<Relation> relation_at(const Token& token) const {
    if (token.is('=')) return Relation::kEqual;
    if (token.is('<')) return Relation::kLess;
    if (token.is('>')) return Relation::kGreater;
    if (token.is_command("!=")) return Relation::kNotEqual;
    if (token.is_command("<=")) return Relation::kLessEqual;
    if (token.is_command(">=")) return Relation::kGreaterEqual;
    if (token.is_command("approx")) return Relation::kApproximate;
    if (token.is_command("in")) return Relation::kElement;
    return std::nullopt;
  }

  NodePtr item() {
    if (peek().is('=') || peek().is_command("approx")) next();
    Node relation{};
    relation.kind = Kind::kRelation;
    NodePtr name = leading_name();
    relation.args.push_back(name ? name : set_expression());
    while (const auto found = relation_at(peek())) {
      next();
      relation.relations.push_back(*found);
      relation.args.push_back(set_expression());
    }
    if (relation.relations.empty()) return relation.args.front();
    return std::make_shared<const Node>(std::move(relation));
  }

  // Words up to an equals sign: "Area = 5".
  NodePtr leading_name() {
    std::size_t count = 0;
    std::string name;
    while (peek(count).type == Token::Type::kWord ||
           (peek(count).type == Token::Type::kLetter && peek(count).in_text)) {
      name += (name.empty() ? "" : " ") + peek(count).text;
      ++count;
    }
    if (count == 0 || !peek(count).is('=')) return nullptr;
    at_ += count;
    return make_node(Kind::kSymbol, {}, std::move(name));
  }

  NodePtr set_expression() {
    NodePtr left = ratio();
    while (true) {
      const Kind kind = peek().is_command("cup")        ? Kind::kUnion
                        : peek().is_command("cap")      ? Kind::kIntersection
                        : peek().is_command("setminus") ? Kind::kDifference
                                                        : Kind::kNumber;
      if (kind == Kind::kNumber) return left;
      next();
      NodePtr right = ratio();
      if (left->kind == kind && kind != Kind::kDifference) {
        auto args = left->args;
        args.push_back(right);
        left = make_node(kind, std::move(args));
      } else {
        if (++chain_ > kMaxChain) throw LimitExceeded("too many set operations");
        left = make_node(kind, {left, right});
      }
    }
  }

  NodePtr ratio() {
    NodePtr first = quantity();
    if (!peek().is(':')) return first;
    std::vector<NodePtr> terms = {first};
    while (take(':')) terms.push_back(quantity());
    return make_node(Kind::kRatio, std::move(terms));
  }
};

}  // namespace

NodePtr parse(std::string_view normalized_text, Commas commas) {
  return AnswerParser(tokenize(normalized_text, commas)).run();
}

}  // namespace urpo::answers
