// Reads formulas: sums, products, powers, roots, functions, brackets, matrices.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "token_reader.hpp"
#include "tree.hpp"

namespace urpo::answers {

class FormulaParser : protected TokenReader {
 public:
  virtual ~FormulaParser() = default;

 protected:
  explicit FormulaParser(std::vector<Token> tokens) : TokenReader(std::move(tokens)) {}

  // What brackets may contain.
  virtual NodePtr list() = 0;

  NodePtr sum();
  NodePtr signed_term();
  bool starts_factor() const;
  static bool is_factor_command(const std::string& name);
  static bool is_function(const std::string& name);
  NodePtr term();
  // "2^{25} 26!": a number is a factor where it cannot continue another one.
  bool follows_group() const;
  NodePtr signed_factor();
  NodePtr factor();
  // "1\frac{4}{5}" and "1 4/5"; null where the number is none.
  NodePtr mixed_number();
  NodePtr postfix(NodePtr value);
  bool take_degree_exponent();
  NodePtr exponent();
  NodePtr based_number(const NodePtr& digits);
  NodePtr primary();
  NodePtr group();
  NodePtr bracketed();
  NodePtr absolute();
  std::string subscript();
  NodePtr symbol();
  // f(x) rather than f times x: by custom, or since all of it stands before a relation.
  bool is_application(const std::string& name) const;
  NodePtr command();
  // The argument of \frac and \sqrt: a group, or one digit, letter or command.
  NodePtr argument();
  NodePtr root();
  bool take_set_builder();
  NodePtr braces();
  NodePtr angle_brackets();
  NodePtr decorated(const std::string& name);
  NodePtr function(const std::string& name);
  // "\sin 2x": factors without an operator between, up to the next function.
  NodePtr function_argument();
  NodePtr environment(const std::string& name);

  int absolute_ = 0;  // absolute values around the current token
  int chain_ = 0;     // operators so far that nest to the left
};

}  // namespace urpo::answers
