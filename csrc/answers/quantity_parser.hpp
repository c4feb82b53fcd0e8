// Reads quantities: formulas with a currency, units or nouns.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formula_parser.hpp"

namespace urpo::answers {

class QuantityParser : protected FormulaParser {
 protected:
  explicit QuantityParser(std::vector<Token> tokens) : FormulaParser(std::move(tokens)) {}

  NodePtr quantity();

 private:
  // What the words behind a value have said so far.
  struct Units {
    explicit Units(Node& node) : quantity(node) {}
    Node& quantity;  // its unit and nouns
    bool percent = false;
    int words = 0;
    int sign = 1;              // of the next unit's power, -1 behind "per"
    int power = 1;             // of the next unit, 2 behind "square"
    std::optional<Unit> last;  // the unit just before, which "squared" belongs to
    int last_sign = 1;
  };

  // "30^\circ 15'": the minutes and seconds of an angle.
  NodePtr with_arc_minutes(NodePtr degrees);
  // "3 hours 20 minutes", "5 feet and 10 inches": in the smaller unit.
  NodePtr with_smaller_unit(Node quantity);
  // "5 million"
  NodePtr scaled(const NodePtr& value);
  // A currency sign before the number: read as a word, since Unicode has many.
  bool take_currency_word();

  bool starts_unit() const;
  // "sq. ft": the dot of an abbreviation.
  bool starts_unit_behind_dot();
  bool starts_divisor() const;
  bool ends_item() const;
  int unit_power();
  // Reads units and nouns behind a value; true if they say percent.
  bool read_units(Node& quantity);
  void read_unit_word(Units& units);
  void read_noun(const std::string& word, Units& units) const;
  // "apples in a box", "5 cm in total", but "5 in".
  bool is_preposition_in(const std::string& word, const Node& quantity) const;

  std::string currency_ = "dollar";
};

}  // namespace urpo::answers
