#include "rewriting.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "characters.hpp"
#include "notation.hpp"
#include "scan.hpp"
#include "spellings.hpp"

namespace urpo::answers {
namespace {

using Replacement = std::pair<std::string_view, std::string_view>;

std::size_t after_spaces(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

// The place behind `prefix` at `at`, spaces skipped; npos where something else stands.
std::size_t behind(std::string_view text, std::size_t at, std::string_view prefix) {
  at = after_spaces(text, at);
  return begins_with(text, at, prefix) ? at + prefix.size() : std::string_view::npos;
}

bool is_command_at(std::string_view text, std::size_t at, std::string_view command) {
  return begins_with(text, at, command) &&
         (at + command.size() >= text.size() || !is_letter(text[at + command.size()]));
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
}

void replace_command(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    if (is_command_at(text, at, from)) {
      text.replace(at, from.size(), to);
      at += to.size();
    } else {
      at += from.size();
    }
  }
}

// Commands and what they are the same as.
constexpr std::array<Replacement, 13> kSame = {{{"\\lnot", "\\neg"},
                                                {"\\rightarrow", "\\to"},
                                                {"\\longrightarrow", "\\to"},
                                                {"\\Rightarrow", "\\to"},
                                                {"\\implies", "\\to"},
                                                {"\\iff", "\\leftrightarrow"},
                                                {"\\Leftrightarrow", "\\leftrightarrow"},
                                                {"\\wedge", "\\land"},
                                                {"\\vee", "\\lor"},
                                                {"\\mid", "|"},
                                                {"\\leq", "\\le"},
                                                {"\\geq", "\\ge"},
                                                {"\\neq", "\\ne"}}};

// "\color{red}{5}" and "\textcolor{red}{5}" as "{5}".
void drop_colours(std::string& text) {
  for (const std::string_view command : {"\\color", "\\textcolor"}) {
    for (std::size_t at = text.find(command); at != std::string::npos;
         at = text.find(command, at)) {
      const std::size_t open = behind(text, at + command.size(), "{");
      if (open == std::string_view::npos) break;
      const std::size_t length = closing_brace(std::string_view(text).substr(open));
      if (length == std::string_view::npos) break;
      text.erase(at, open + length + 1 - at);
    }
  }
}

// "204_{\text{five}}" as "204_{5}".
void number_bases(std::string& text) {
  static constexpr std::array<Replacement, 15> kBases = {{{"two", "2"},
                                                          {"three", "3"},
                                                          {"four", "4"},
                                                          {"five", "5"},
                                                          {"six", "6"},
                                                          {"seven", "7"},
                                                          {"eight", "8"},
                                                          {"nine", "9"},
                                                          {"ten", "10"},
                                                          {"eleven", "11"},
                                                          {"twelve", "12"},
                                                          {"thirteen", "13"},
                                                          {"fourteen", "14"},
                                                          {"fifteen", "15"},
                                                          {"sixteen", "16"}}};
  for (std::size_t at = text.find('_'); at != std::string::npos; at = text.find('_', at + 1)) {
    std::size_t begin = after_spaces(text, at + 1);
    int braces = 0;
    for (const std::string_view open : {"{", "\\text{", "\\mathrm{", "\\textrm{", "\\mbox{"}) {
      if (!begins_with(text, begin, open)) continue;
      begin = after_spaces(text, begin + open.size());
      ++braces;
    }
    for (const auto& [word, digits] : kBases) {
      if (braces == 0 || !begins_with(text, begin, word)) continue;
      std::size_t end = after_spaces(text, begin + word.size());
      int closed = 0;
      for (; closed < braces && end < text.size() && text[end] == '}'; ++closed) {
        end = after_spaces(text, end + 1);
      }
      if (closed != braces) continue;
      text.replace(at, end - at, "_{" + std::string(digits) + "}");
      break;
    }
  }
}

// "25^\circ\text{C}" as "25\text{ celsius}".
void name_temperatures(std::string& text) {
  for (const std::string_view degree : {"^\\circ", "^{\\circ}", "\\degree"}) {
    const std::size_t at = text.find(degree);
    if (at == std::string::npos) continue;
    std::string_view scale = trimmed(std::string_view(text).substr(at + degree.size()));
    for (const std::string_view open : {"\\text{", "\\mathrm{"}) {
      if (begins_with(scale, 0, open) && scale.back() == '}')
        scale = trimmed(scale.substr(open.size(), scale.size() - open.size() - 1));
    }
    // `scale` looks into the text that is replaced.
    const bool celsius = scale == "C";
    if (celsius || scale == "F")
      text.replace(at, std::string::npos, celsius ? "\\text{ celsius}" : "\\text{ fahrenheit}");
    return;
  }
}

// ") U (" as ") \cup (".
void join_intervals(std::string& text) {
  for (std::size_t at = text.find('U'); at != std::string::npos; at = text.find('U', at + 1)) {
    std::size_t before = at;
    while (before > 0 && is_space(text[before - 1])) --before;
    const std::size_t next = after_spaces(text, at + 1);
    if (before == 0 || next >= text.size()) continue;
    const bool closes = text[before - 1] == ')' || text[before - 1] == ']';
    const bool opens =
        text[next] == '(' || text[next] == '[' || is_command_at(text, next, "\\left");
    if (closes && opens) text.replace(at, 1, "\\cup ");
  }
}

// "]2, 3[" as "(2, 3)": brackets that are turned outwards.
std::string with_turned_brackets(std::string_view interval) {
  std::string part(trimmed(interval));
  const std::size_t open = begins_with(part, 0, "\\left") ? after_spaces(part, 5) : 0;
  if (open >= part.size() || part.size() < open + 5) return std::string(interval);
  const std::size_t close = part.size() - 1;
  const bool turned = part[open] == ']' || part[close] == '[';
  const bool left = std::string_view("[](").find(part[open]) != std::string_view::npos;
  const bool right = std::string_view("[])").find(part[close]) != std::string_view::npos;
  const std::string inside = part.substr(open + 1, close - open - 1);
  if (!turned || !left || !right || inside.find_first_of("[]()") != std::string::npos ||
      inside.find_first_of(",;") == std::string::npos)
    return std::string(interval);
  if (part[open] == ']') part[open] = '(';
  if (part[close] == '[') part[close] = ')';
  return part;
}

void turn_brackets(std::string& text) {
  constexpr std::string_view kUnion = "\\cup";
  if (text.find(']') == std::string::npos && text.find('[') == std::string::npos) return;
  std::string out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(kUnion, begin), text.size());
    out += with_turned_brackets(std::string_view(text).substr(begin, end - begin));
    if (end < text.size()) out += kUnion;
    begin = end + kUnion.size();
  }
  text = out;
}

// The other shape of a letter is the same letter, where only one of them occurs.
void shape_letters_alike(std::string& text) {
  for (const auto& [variant, usual] :
       {std::pair("\\varphi", "\\phi"), std::pair("\\varepsilon", "\\epsilon"),
        std::pair("\\vartheta", "\\theta")}) {
    if (text.find(usual) == std::string::npos) replace_command(text, variant, usual);
  }
}

void write_differences(std::string& text) {
  constexpr std::string_view kReals = "\\mathbb{R}";
  const std::size_t reals = text.find(kReals);
  if (reals != std::string::npos) {
    const std::size_t minus = behind(text, reals + kReals.size(), "-");
    if (minus != std::string_view::npos && behind(text, minus, "\\{") != std::string_view::npos)
      text.replace(minus - 1, 1, "\\setminus ");
  }
  if (text.find("ll real") == std::string::npos) return;
  std::string plain = text;
  replace_all(plain, "\\text{", "");
  for (const std::string_view all : {"all real numbers except ", "All real numbers except ",
                                     "all reals except ", "all real numbers except for "}) {
    if (!begins_with(plain, 0, all)) continue;
    std::string but = text.substr(text.find(all.substr(4)) + all.size() - 4);
    if (begins_with(text, 0, "\\text{")) {
      const std::size_t close = but.find('}');
      if (close == std::string::npos) return;
      but.erase(close, 1);
    }
    text = "\\mathbb{R} \\setminus \\{" + but + "\\}";
    return;
  }
}

// The equations of a system that is all of the text, as a list.
void unfold_system(std::string& text) {
  for (const std::string_view name : {"cases", "aligned", "align*", "align", "gathered"}) {
    const std::string begin = "\\begin{" + std::string(name) + "}";
    const std::string end = "\\end{" + std::string(name) + "}";
    const std::size_t left = behind(text, 0, "\\left\\{");
    const std::size_t from = behind(text, left == std::string_view::npos ? 0 : left, begin);
    const std::size_t to = text.find(end);
    if (from == std::string_view::npos || to == std::string::npos) continue;
    std::string tail = text.substr(to + end.size());
    replace_all(tail, "\\right.", "");
    if (!trimmed(tail).empty()) return;
    std::string list;
    std::string_view rows = std::string_view(text).substr(from, to - from);
    while (!rows.empty()) {
      const std::size_t line = rows.find("\\\\");
      std::string row(trimmed(rows.substr(0, line)));
      rows = line == std::string_view::npos ? std::string_view() : rows.substr(line + 2);
      if (row.empty()) continue;
      const std::size_t equals = row.find('=');
      const bool one =
          equals != std::string::npos && row.find('=', equals + 1) == std::string::npos;
      // A function by cases has conditions behind its values.
      const bool conditional =
          row.find("\\text") != std::string::npos || row.find(',') < row.size() - 1;
      if (!one || conditional) return;
      replace_all(row, "&", " ");
      list += (list.empty() ? "" : ", ") + row;
    }
    if (!list.empty()) text = list;
    return;
  }
}

// The digits and the base of "A1_{16}"; the base is 0 for anything else.
std::pair<std::string, int> digits_and_base(std::string_view text) {
  std::string digits;
  std::size_t at = 0;
  for (; at < text.size() && (is_digit(text[at]) || is_letter(text[at])); ++at)
    digits += is_letter(text[at]) ? lower(text[at]) : text[at];
  const bool subscript = at + 1 < text.size() && text[at] == '_' && digits.size() > 1;
  if (!subscript || digits.find_first_of("0123456789") == std::string::npos ||
      digits.find_first_of("abcdef") == std::string::npos)
    return {};
  std::string base;
  for (const char c : text.substr(at + 1)) {
    if (is_digit(c)) base += c;
    if (!is_digit(c) && !is_space(c) && c != '{' && c != '}') return {};
  }
  if (base.size() != 2 || base > "36") return {};
  return {digits, 10 * (base[0] - '0') + base[1] - '0'};
}

}  // namespace

std::optional<bool> same_digits_and_base(std::string_view answer, std::string_view gold) {
  const auto wanted = digits_and_base(gold);
  if (wanted.second < 11) return std::nullopt;
  const auto given = digits_and_base(answer);
  return given == wanted || squeezed(answer) == gold.substr(0, gold.find('_'));
}

std::string in_common_notation(std::string text) {
  const bool commands = text.find('\\') != std::string::npos;
  if (commands || text.find_first_of("_^{") != std::string::npos)
    text = with_usual_spellings(std::move(text));
  if (commands) {
    drop_colours(text);
    replace_command(text, "\\lbrace", "\\{");
    replace_command(text, "\\rbrace", "\\}");
    if (text.find("\\begin{") != std::string::npos) unfold_system(text);
  }
  if (commands) name_temperatures(text);
  if (commands) shape_letters_alike(text);
  turn_brackets(text);
  for (const std::string_view mod : {"\\mathrm{mod}", "\\operatorname{mod}", "\\rm{mod}"})
    replace_all(text, mod, "\\text{mod}");
  if (text.find('_') != std::string::npos) number_bases(text);
  if (text.find('U') != std::string::npos) join_intervals(text);
  write_differences(text);
  return std::string(trimmed(text));
}

bool has_other_spelling(std::string_view text) {
  for (std::size_t at = text.find('\\'); at != std::string_view::npos;
       at = text.find('\\', at + 1)) {
    if (begins_with(text, at, "\\pmod")) return true;
    for (const auto& [from, to] : kSame) {
      if (is_command_at(text, at, from)) return true;
    }
  }
  return false;
}

std::string with_common_commands(std::string_view normalized_text) {
  std::string text(normalized_text);
  for (const auto& [from, to] : kSame) replace_command(text, from, to);
  for (std::size_t at = text.find("\\pmod{"); at != std::string::npos;
       at = text.find("\\pmod{", at)) {
    if (at + 8 < text.size() && text[at + 8] == '}') text = text.erase(at + 8, 1).erase(at + 6, 1);
    ++at;
  }
  return squeezed(text);
}

}  // namespace urpo::answers
