#include "library_scope.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "characters.hpp"
#include "names.hpp"
#include "notation.hpp"

namespace urpo::answers {
namespace {

// What names the value before an equals sign is left out.
std::string_view value_side(std::string_view text) {
  const std::size_t equals = text.rfind('=');
  return equals == std::string_view::npos ? text : text.substr(equals + 1);
}

bool sets_words(std::string_view command) {
  return command.substr(0, 4) == "text" || command == "mbox" || command == "hbox";
}

// What the library reads over, or reads alike whatever it says: it has to be the same on both
// sides.
struct Mentions {
  std::set<char> letters;  // without command names and text
  int primes = 0;
  std::multiset<std::string> words;       // of text
  std::multiset<std::string> subscripts;  // of numbers, letters and brackets: "_2", "_{n-1}"
  std::multiset<std::string> relations;
  std::multiset<std::string> signs;  // of percent, currency and degrees
  int inverse_functions = 0;
};

class MentionReader {
 public:
  explicit MentionReader(std::string_view text) : text_(text) {}

  Mentions read() {
    for (std::size_t i = 0; i < text_.size(); ++i) {
      const char c = text_[i];
      if (c == '\\') {
        i = command(i);
        continue;
      }
      if (is_letter(c)) found_.letters.insert(c);
      if (c == '\'') ++found_.primes;
      if (c == '%') found_.signs.insert("%");
      if (c == '<' || c == '>') found_.relations.insert(relation_at(i));
      if (c == '_' && !limits_) found_.subscripts.insert(subscript(i + 1));
      if (c == '^' && inverts_function(i)) ++found_.inverse_functions;
      limits_ = false;
    }
    return std::move(found_);
  }

 private:
  std::string relation_at(std::size_t at) const {
    return at + 1 < text_.size() && text_[at + 1] == '=' ? "le" : "lt";
  }

  std::string subscript(std::size_t at) const {
    while (at < text_.size() && is_space(text_[at])) ++at;
    if (at >= text_.size()) return {};
    if (text_[at] != '{') return std::string(1, text_[at]);
    const std::size_t length = closing_brace(text_.substr(at + 1));
    return squeezed(text_.substr(at + 1, length));
  }

  // "f^{-1}(x)"
  bool inverts_function(std::size_t at) const {
    if (at == 0 || !is_letter(text_[at - 1])) return false;
    const std::string rest = squeezed(text_.substr(at, 40));
    return rest.compare(0, 6, "^{-1}(") == 0;
  }

  // The last place of the command at `at`, and of its argument where that is text.
  std::size_t command(std::size_t at) {
    std::size_t end = at + 1;
    while (end < text_.size() && is_letter(text_[end])) ++end;
    const std::string_view name = text_.substr(at + 1, end - at - 1);
    limits_ = name == "sum" || name == "prod" || name == "int" || name == "lim" || name == "log" ||
              name == "iint" || name == "oint" || name == "limits";
    if (name.empty()) {
      if (end < text_.size() && (text_[end] == '%' || text_[end] == '$'))
        found_.signs.insert(std::string(1, text_[end]));
      return end;
    }
    static const std::map<std::string_view, std::string_view> relations = {
        {"le", "le"},         {"leq", "le"},    {"ge", "le"},         {"geq", "le"},
        {"lt", "lt"},         {"gt", "lt"},     {"ne", "ne"},         {"neq", "ne"},
        {"leqslant", "le"},   {"in", "in"},     {"geqslant", "le"},   {"ni", "in"},
        {"equiv", "equiv"},   {"mod", "mod"},   {"bmod", "mod"},      {"pmod", "mod"},
        {"approx", "approx"}, {"not", "not"},   {"propto", "propto"}, {"simeq", "approx"},
        {"pm", "pm"},         {"mp", "pm"},     {"notin", "notin"},   {"ll", "ll"},
        {"gg", "ll"},         {"cdots", "dots"}};
    if (name == "circ" || name == "degree") found_.signs.insert("degree");
    if (const auto found = relations.find(name); found != relations.end())
      found_.relations.insert(std::string(found->second));
    if (!is_text_command(name) || end >= text_.size() || text_[end] != '{') return end - 1;
    const std::size_t length = closing_brace(text_.substr(end + 1));
    const std::string_view content = text_.substr(end + 1, length);
    if (sets_words(name)) add_words(content);
    if (!sets_words(name)) {
      const bool letter = trimmed(content).size() == 1 && is_letter(trimmed(content)[0]);
      if (letter) found_.letters.insert(trimmed(content)[0]);
      if (!letter) found_.words.insert(squeezed(content));
    }
    return length == std::string_view::npos ? text_.size() : end + 1 + length;
  }

  void add_words(std::string_view content) {
    std::string word;
    for (const char c : content) {
      if (is_letter(c) || is_high(c) || is_digit(c)) {
        word += lower(c);
      } else if (!word.empty()) {
        found_.words.insert(std::exchange(word, {}));
      }
    }
    if (!word.empty()) found_.words.insert(word);
  }

  std::string_view text_;
  Mentions found_;
  bool limits_ = false;  // a subscript here is a bound or a base
};

// Upper and lower case are one to the library.
bool has_both_cases(const std::set<char>& letters) {
  return std::any_of(letters.begin(), letters.end(),
                     [&](char c) { return c != lower(c) && letters.count(lower(c)) != 0; });
}

bool mentions_the_same(const std::string& answer, const std::string& gold) {
  const Mentions given = MentionReader(value_side(answer)).read();
  const Mentions wanted = MentionReader(value_side(gold)).read();
  return given.letters == wanted.letters && !has_both_cases(given.letters) &&
         given.primes == wanted.primes && given.words == wanted.words &&
         given.subscripts == wanted.subscripts && given.relations == wanted.relations &&
         given.inverse_functions == wanted.inverse_functions && given.signs == wanted.signs;
}

// "F_n = ..." and "f(x) = ..." name the value; "2x = ..." and "1 = 2 = ..." do not.
bool names_its_value(std::string_view answer) {
  const std::size_t equals = answer.find('=');
  if (equals == std::string_view::npos) return true;
  if (answer.find('=', equals + 1) != std::string_view::npos) return false;
  const std::string_view name = trimmed(answer.substr(0, equals));
  return !name.empty() && name.size() <= 12 && is_letter(name.front()) &&
         name.find_first_of("+-*/^\\<>!| ") == std::string_view::npos;
}

// "(1\ 2\ 3)": numbers that nothing separates but spaces, which make one number to the library.
bool spaces_numbers(const std::string& text) {
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (is_space(text[i]) && is_digit(text[i - 1]) && is_digit(text[i + 1])) return true;
  }
  return false;
}

}  // namespace

bool has_ordered_product(const std::string& text) {
  for (const std::string_view transposed : {"^T", "^{T}", "^\\top", "^{\\top}"}) {
    const std::size_t at = text.find(transposed);
    if (at != std::string::npos && at > 0 && text[at - 1] >= 'A' && text[at - 1] <= 'Z')
      return true;
  }
  if (text.find("\\times") == std::string::npos) return false;
  const std::string squeezed_text = squeezed(text);
  for (const std::string_view vector : {"vec{", "overrightarrow{", "mathbf{", "boldsymbol{"}) {
    if (squeezed_text.find("}\\times\\" + std::string(vector)) != std::string::npos) return true;
  }
  return false;
}

bool is_statement(const std::string& text) {
  const bool probability =
      text.find("P(") != std::string::npos || text.find("\\Pr") != std::string::npos;
  if (probability && text.find('|') != std::string::npos) return true;
  for (const std::string_view command :
       {"\\neg", "\\lnot", "\\to", "\\rightarrow", "\\leftrightarrow", "\\Rightarrow", "\\subset",
        "\\supset", "\\perp", "\\parallel", "\\mid", "\\nmid", "\\notin", "\\sim", "\\cong",
        "\\land", "\\lor", "\\wedge", "\\vee"}) {
    const std::size_t at = text.find(command);
    if (at == std::string::npos) continue;
    const std::size_t end = at + command.size();
    if (end >= text.size() || !is_letter(text[end]) || text.compare(end, 2, "eq") == 0) return true;
  }
  return false;
}

bool is_read_in_part(const std::string& answer, const std::string& gold) {
  for (const std::string_view partial : {"dots", "...", "\\begin{cases}", "!!"}) {
    if (answer.find(partial) != std::string::npos || gold.find(partial) != std::string::npos)
      return true;
  }
  const std::size_t matrix = gold.find("\\begin{");
  if (matrix != std::string::npos && gold.find("\\begin{", matrix + 1) != std::string::npos)
    return true;
  if (gold.find('=') == std::string::npos && !names_its_value(answer)) return true;
  return !mentions_the_same(answer, gold) || spaces_numbers(answer) || spaces_numbers(gold);
}

}  // namespace urpo::answers
