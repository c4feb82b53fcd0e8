#include "notation.hpp"

#include <algorithm>
#include <unordered_map>

#include "characters.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

// The code point at `at`, which moves past it; an invalid byte is its own code point.
char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC2 ? 1 : 0;
  char32_t point = more == 3   ? lead & 0x07U
                   : more == 2 ? lead & 0x0FU
                   : more == 1 ? lead & 0x1FU
                               : lead;
  if (more == 0 || at + static_cast<std::size_t>(more) >= text.size()) {
    ++at;
    return lead;
  }
  for (int i = 1; i <= more; ++i) {
    const unsigned char c = byte(at + static_cast<std::size_t>(i));
    if ((c & 0xC0U) != 0x80U) {
      ++at;
      return lead;
    }
    point = (point << 6) | (c & 0x3FU);
  }
  at += 1 + static_cast<std::size_t>(more);
  return point;
}

const std::unordered_map<char32_t, const char*>& spellings() {
  static const std::unordered_map<char32_t, const char*> table = {
      {U'\u2212', "-"},
      {U'\u2010', "-"},
      {U'\u2011', "-"},
      {U'\u2012', "-"},
      {U'\u2013', "-"},
      {U'\u2014', "-"},
      {U'\uFE63', "-"},
      {U'\u00D7', "\\times "},
      {U'\u22C5', "\\cdot "},
      {U'\u00B7', "\\cdot "},
      {U'\u2219', "\\cdot "},
      {U'\u2217', "*"},
      {U'\u00F7', "\\div "},
      {U'\u2215', "/"},
      {U'\u2044', "/"},
      {U'\u221A', " sqrt "},
      {U'\u03C0', "\\pi "},
      {U'\u221E', "\\infty "},
      {U'\u2264', "\\le "},
      {U'\u2265', "\\ge "},
      {U'\u2A7D', "\\le "},
      {U'\u2A7E', "\\ge "},
      {U'\u2260', "\\ne "},
      {U'\u2248', "\\approx "},
      {U'\u2208', "\\in "},
      {U'\u222A', "\\cup "},
      {U'\u2229', "\\cap "},
      {U'\u2205', "\\emptyset "},
      {U'\u2216', "\\setminus "},
      {U'\u211D', "\\mathbb{R}"},
      {U'\u00B0', "\\degree "},
      {U'\u00BA', "\\degree "},
      {U'\u00B1', "\\pm "},
      {U'\u2213', "\\mp "},
      {U'\u2032', "'"},
      {U'\u2019', "'"},
      {U'\u2018', "'"},
      {U'\u201C', "\""},
      {U'\u201D', "\""},
      {U'\u27E8', "\\langle "},
      {U'\u27E9', "\\rangle "},
      {U'\u2236', ":"},
      {U'\u2220', "\\angle "},
      {U'\u25B3', "\\triangle "},
      {U'\u2026', "\\ldots "},
      {U'\u2225', "\\parallel "},
      {U'\u22A5', "\\perp "},
      {U'\u3002', "."},
      {U'\u3001', ","},
      {U'\u00BD', "\\frac{1}{2}"},
      {U'\u2153', "\\frac{1}{3}"},
      {U'\u2154', "\\frac{2}{3}"},
      {U'\u00BC', "\\frac{1}{4}"},
      {U'\u00BE', "\\frac{3}{4}"},
      {U'\u2155', "\\frac{1}{5}"},
      {U'\u2156', "\\frac{2}{5}"},
      {U'\u2157', "\\frac{3}{5}"},
      {U'\u2158', "\\frac{4}{5}"},
      {U'\u2159', "\\frac{1}{6}"},
      {U'\u215A', "\\frac{5}{6}"},
      {U'\u215B', "\\frac{1}{8}"},
      {U'\u215C', "\\frac{3}{8}"},
      {U'\u215D', "\\frac{5}{8}"},
      {U'\u215E', "\\frac{7}{8}"},
      {U'\u03B1', "\\alpha "},
      {U'\u03B2', "\\beta "},
      {U'\u03B3', "\\gamma "},
      {U'\u03B4', "\\delta "},
      {U'\u03B8', "\\theta "},
      {U'\u03BB', "\\lambda "},
      {U'\u03BC', "\\mu "},
      {U'\u03C1', "\\rho "},
      {U'\u03C3', "\\sigma "},
      {U'\u03C6', "\\phi "},
      {U'\u03C9', "\\omega "},
      {U'\u00A0', " "},
      {U'\u2002', " "},
      {U'\u2003', " "},
      {U'\u2007', " "},
      {U'\u3000', " "},
      {U'\u2009', "\x02"},
      {U'\u202F', "\x02"},
      {U'\u200A', "\x02"},
      {U'\u200B', ""},
      {U'\u200C', ""},
      {U'\u200D', ""},
      {U'\u2060', ""},
      {U'\uFEFF', ""},
      {U'\u2061', ""},
      {U'\u2062', ""},
  };
  return table;
}

// The digit or sign of a superscript or subscript, 0 for anything else.
char raised(char32_t point) {
  switch (point) {
    case U'\u00B9':
      return '1';
    case U'\u00B2':
      return '2';
    case U'\u00B3':
      return '3';
    case U'\u207A':
      return '+';
    case U'\u207B':
      return '-';
    case U'\u207F':
      return 'n';
    default:
      break;
  }
  if (point == U'\u2070' || (point >= U'\u2074' && point <= U'\u2079')) {
    return static_cast<char>('0' + (point - U'\u2070'));
  }
  return 0;
}

char lowered(char32_t point) {
  return point >= U'\u2080' && point <= U'\u2089' ? static_cast<char>('0' + (point - U'\u2080'))
                                                  : 0;
}

// ASCII of full-width and mathematical letters and digits, 0 for anything else. Letters of other
// scripts that only look alike stay what they are.
char plain_form(char32_t point) {
  if (point >= 0xFF01 && point <= 0xFF5E) return static_cast<char>(point - 0xFF01 + '!');
  if (point >= 0x1D7CE && point <= 0x1D7FF) return static_cast<char>('0' + (point - 0x1D7CE) % 10);
  if (point >= 0x1D400 && point <= 0x1D6A3) {
    const auto index = static_cast<int>((point - 0x1D400) % 52);
    return static_cast<char>(index < 26 ? 'A' + index : 'a' + index - 26);
  }
  return 0;
}

std::string without_unicode_notation(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  enum class Script { kNone, kRaised, kLowered } script = Script::kNone;
  const auto leave_script = [&] {
    if (script != Script::kNone) out += '}';
    script = Script::kNone;
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t point = next_code_point(text, at);
    if (point < 0x80) {
      leave_script();
      // The markers of normalized text and other controls are nothing that an answer contains.
      out += point < 0x20 || point == 0x7F ? ' ' : static_cast<char>(point);
      continue;
    }
    const char up = raised(point);
    const char down = up == 0 ? lowered(point) : 0;
    if (up != 0 || down != 0) {
      const Script wanted = up != 0 ? Script::kRaised : Script::kLowered;
      if (script != wanted) {
        leave_script();
        out += up != 0 ? "^{" : "_{";
        script = wanted;
      }
      out += up != 0 ? up : down;
      continue;
    }
    leave_script();
    if (const char plain = plain_form(point); plain != 0) {
      out += plain;
    } else if (const auto found = spellings().find(point); found != spellings().end()) {
      out += found->second;
    } else {
      out.append(text.substr(begin, at - begin));
    }
  }
  leave_script();
  return out;
}

std::size_t after_spaces(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

// The end of "{,}" at `at`, with spaces anywhere; `at` itself if there is none.
std::size_t end_of_braced_comma(std::string_view text, std::size_t at) {
  if (text[at] != '{') return at;
  const std::size_t comma = after_spaces(text, at + 1);
  if (comma >= text.size() || text[comma] != ',') return at;
  const std::size_t close = after_spaces(text, comma + 1);
  return close < text.size() && text[close] == '}' ? close + 1 : at;
}

// Spacing commands become spaces, "{,}" and ",\!" the comma that groups digits.
std::string without_latex_spacing(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  // Text that was escaped twice; a line break stands in an environment.
  const bool line_breaks = text.find("\\begin") != std::string_view::npos;
  for (std::size_t i = 0; i < text.size(); ++i) {
    // "\text{, }" separates.
    const bool argument = i > 0 && is_letter(text[i - 1]);
    if (const std::size_t end = end_of_braced_comma(text, i); end != i && !argument) {
      while (!out.empty() && is_space(out.back())) out.pop_back();
      out += kGroupComma;
      i = after_spaces(text, end) - 1;
    } else if (!line_breaks && text[i] == '\\' && i + 2 < text.size() && text[i + 1] == '\\' &&
               is_letter(text[i + 2])) {
      continue;
    } else if (begins_with(text, i, ",\\!")) {
      out += kGroupComma;
      i = after_spaces(text, i + 3) - 1;
    } else if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i] == '~' ? ' ' : text[i];
    } else if (text[i + 1] == ',') {
      out += kThinSpace;
      ++i;
    } else if (text[i + 1] == '!') {
      ++i;
    } else if (text[i + 1] == ';' || text[i + 1] == ':' || text[i + 1] == ' ' ||
               text[i + 1] == '>') {
      out += ' ';
      ++i;
    } else if (text[i + 1] == '(' || text[i + 1] == ')' || text[i + 1] == '[' ||
               text[i + 1] == ']') {
      out += ' ';
      ++i;
    } else {
      out += text[i];
      out += text[++i];
    }
  }
  return out;
}

// "\mathbf x" as "\mathbf{x}".
std::string with_braced_letters(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      out += text[i++];
      continue;
    }
    std::size_t end = i + 1;
    while (end < text.size() && is_letter(text[end])) ++end;
    if (end == i + 1) end = std::min(end + 1, text.size());  // an escaped sign
    out.append(text.substr(i, end - i));
    const std::string_view name = text.substr(i + 1, end - i - 1);
    const std::size_t next = after_spaces(text, end);
    i = end;
    for (const std::string_view font : {"mathbb", "mathcal", "mathbf", "mathrm", "mathit", "mathsf",
                                        "boldsymbol", "bm", "vec", "hat", "bar"}) {
      if (name != font || next == end || next >= text.size() || !is_letter(text[next])) continue;
      out.append({'{', text[next], '}'});
      i = next + 1;
    }
  }
  return out;
}

// Without dollar signs that delimit formulas; a single one beside a number is a currency.
std::string without_math_delimiters(std::string_view text) {
  std::size_t dollars = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '$') {
      ++dollars;
    }
  }
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      out += text[i];
      out += text[++i];
    } else if (text[i] == '$') {
      out += dollars == 1 ? "\\$" : " ";
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::size_t closing_brace(std::string_view text) {
  std::size_t depth = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

bool is_balanced(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else {
      depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
    }
    if (depth < 0) return false;
  }
  return depth == 0;
}

std::string normalized(std::string_view utf8) {
  const bool ascii = std::all_of(utf8.begin(), utf8.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x80 && static_cast<unsigned char>(c) >= 0x20;
  });
  std::string text = ascii ? std::string(utf8) : without_unicode_notation(utf8);
  text = with_braced_letters(without_math_delimiters(without_latex_spacing(text)));
  for (const std::string_view prime :
       {"^{\\prime}", "^\\prime", "^{\\prime \\prime}", "^{\\prime\\prime}"}) {
    for (std::size_t at = text.find(prime); at != std::string::npos; at = text.find(prime, at)) {
      text.replace(at, prime.size(), prime.size() > 10 ? "''" : "'");
    }
  }
  std::string_view view = trimmed(text);
  while (!view.empty()) {
    const char last = view.back();
    const bool escaped = view.size() > 1 && view[view.size() - 2] == '\\';
    // "0.33..." goes on.
    const bool goes_on = view.size() > 3 && view.substr(view.size() - 3) == "...";
    if (escaped || goes_on || (last != '.' && last != ',' && last != ';' && last != ':')) break;
    view = trimmed(view.substr(0, view.size() - 1));
  }
  while (view.size() > 2 && view.front() == '{' && view.back() == '}' &&
         is_balanced(view.substr(1, view.size() - 2))) {
    view = trimmed(view.substr(1, view.size() - 2));
  }
  while (view.size() > 4 && view.substr(0, 2) == "**" && view.substr(view.size() - 2) == "**") {
    view = trimmed(view.substr(2, view.size() - 4));
  }
  return std::string(view);
}

std::string squeezed(std::string_view text) {
  std::string out;
  const auto is_word = [](char c) { return is_letter(c) || is_high(c) || is_digit(c); };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      std::size_t end = i + 1;
      while (end < text.size() && is_letter(text[end])) ++end;
      const std::string_view command = text.substr(i + 1, end - i - 1);
      if (command == "left" || command == "right" || command == "displaystyle") {
        i = end - 1;
        continue;
      }
      if (command == "ldots" || command == "dots" || command == "cdots" || command == "dotsc") {
        out += "...";
        i = end - 1;
        continue;
      }
    }
    if (!is_space(text[i])) {
      out += text[i];
      continue;
    }
    const std::size_t next = after_spaces(text, i);
    if (!out.empty() && next < text.size() && is_word(out.back()) && is_word(text[next]))
      out += ' ';
    i = next - 1;
  }
  return out;
}

}  // namespace urpo::answers
