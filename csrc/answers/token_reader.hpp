// Walking along the tokens of an answer.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "names.hpp"
#include "tokens.hpp"

namespace urpo::answers {

class TokenReader {
 protected:
  explicit TokenReader(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  // Counts the depth of recursion, which is what an answer's nesting costs.
  class Nested {
   public:
    explicit Nested(TokenReader& reader) : reader_(reader) {
      if (++reader_.depth_ > kMaxDepth) {
        --reader_.depth_;
        throw LimitExceeded("an answer is nested too deeply");
      }
    }
    ~Nested() { --reader_.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    TokenReader& reader_;
  };

  const Token& peek(std::size_t ahead = 0) const {
    const std::size_t at = at_ + ahead;
    return at < tokens_.size() ? tokens_[at] : tokens_.back();
  }
  const Token& next() {
    const Token& token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool take(char c) {
    if (!peek().is(c)) return false;
    next();
    return true;
  }
  bool take_command(std::string_view name) {
    if (!peek().is_command(name)) return false;
    next();
    return true;
  }
  void expect(char c) {
    if (!take(c)) throw Unsupported("a delimiter is missing");
  }

  bool is_unit_letter(const Token& token) const {
    return token.type == Token::Type::kLetter && token.in_text && find_unit(token.text).has_value();
  }

  static constexpr int kMaxDepth = 150;
  static constexpr int kMaxChain = 60;  // of divisions or postfix operators, which nest as well

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace urpo::answers
