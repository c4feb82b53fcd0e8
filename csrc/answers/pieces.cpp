#include "pieces.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "characters.hpp"
#include "notation.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

using Kind = Piece::Kind;

// Bytes of a character of Chinese, Japanese or Korean, which stand beside numbers without a space.
bool is_ideographic(char c) { return static_cast<unsigned char>(c) >= 0xE3; }

class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  std::vector<Piece> split() {
    while (at_ < text_.size()) {
      if (is_space(text_[at_])) {
        ++at_;
      } else if (!formula() && !number() && !word()) {
        const bool bold = begins_with(text_, at_, "**") || begins_with(text_, at_, "__");
        add(bold ? Kind::kBold : Kind::kSign, at_ + (bold ? 2 : 1));
      }
    }
    return std::move(pieces_);
  }

 private:
  char char_at(std::size_t at) const { return at < text_.size() ? text_[at] : ' '; }

  void add(Kind kind, std::size_t end) {
    Piece piece;
    piece.kind = kind;
    piece.begin = at_;
    piece.end = std::min(end, text_.size());
    piece.content = std::string(text_.substr(at_, piece.end - at_));
    at_ = piece.end;
    pieces_.push_back(std::move(piece));
  }

  bool add_formula(std::size_t open, std::size_t close, std::size_t mark) {
    add(Kind::kFormula, close + mark);
    pieces_.back().content = std::string(trimmed(text_.substr(open, close - open)));
    return true;
  }

  // The dollar sign that closes the formula opened at `at_`.
  std::size_t closing_dollar() const {
    if (is_space(char_at(at_ + 1))) return std::string_view::npos;
    for (std::size_t i = at_ + 1; i < text_.size(); ++i) {
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == '$') {
        const bool closes = !is_space(text_[i - 1]) && !is_digit(char_at(i + 1)) && i > at_ + 1;
        return closes ? i : std::string_view::npos;
      }
    }
    return std::string_view::npos;
  }

  bool formula() {
    for (const auto& [open, close] : {std::pair<std::string_view, std::string_view>("\\(", "\\)"),
                                      {"\\[", "\\]"},
                                      {"$$", "$$"}}) {
      if (!begins_with(text_, at_, open)) continue;
      const std::size_t end = text_.find(close, at_ + 2);
      if (end != std::string_view::npos) return add_formula(at_ + 2, end, 2);
    }
    if (text_[at_] == '$') {
      // Without a partner for one dollar sign, the later ones are looked at on their own.
      const std::size_t end = closing_dollar();
      return end != std::string_view::npos && add_formula(at_ + 1, end, 1);
    }
    if (text_[at_] != '\\' || !is_letter(char_at(at_ + 1))) return false;
    // A formula without delimiters goes on to the next space outside of braces.
    std::size_t end = at_;
    for (int depth = 0; end < text_.size() && (depth > 0 || !is_space(text_[end])); ++end) {
      depth += text_[end] == '{' ? 1 : text_[end] == '}' ? -1 : 0;
      if (depth <= 0 && (begins_with(text_, end, "**") || begins_with(text_, end, ", "))) break;
    }
    while (end > at_ + 1 && (char_at(end - 1) == ',' || char_at(end - 1) == '.')) --end;
    return add_formula(at_, end, 0);
  }

  // The currency at `at`, in bytes.
  std::size_t currency(std::size_t at) const {
    for (const std::string_view sign : {"\\$", "$", "\u20ac", "\u00a3"}) {
      if (begins_with(text_, at, sign)) return sign.size();
    }
    return 0;
  }

  std::size_t after_digits(std::size_t at) const {
    while (is_digit(char_at(at)) || ((char_at(at) == '.' || char_at(at) == ',') && at > 0 &&
                                     is_digit(text_[at - 1]) && is_digit(char_at(at + 1)))) {
      ++at;
    }
    return at;
  }

  bool number() {
    std::size_t at = at_;
    const bool sign_before = text_[at] == '-' || text_[at] == '+';
    if (sign_before) ++at;
    const std::size_t money = currency(at);
    const std::string_view currency_name = money == 0                     ? ""
                                           : text_[at + money - 1] == '$' ? "dollars"
                                           : money == 3                   ? "euros"
                                                                          : "pounds";
    at += money;
    const bool sign_behind = !sign_before && char_at(at) == '-' && money != 0;
    if (sign_behind) ++at;
    const std::size_t begin = at;
    if (!is_digit(char_at(at)) && !(char_at(at) == '.' && is_digit(char_at(at + 1)))) return false;
    if (char_at(at) == '.') ++at;
    at = after_digits(at);
    if (char_at(at) == '/' && is_digit(char_at(at + 1))) at = after_digits(at + 1);
    // "a 60-gallon pool"
    if (char_at(at) == '-' && is_letter(char_at(at + 1))) {
      while (is_letter(char_at(at)) || char_at(at) == '-') ++at;
      add(Kind::kWord, at);
      return true;
    }
    const char previous = at_ == 0 ? ' ' : text_[at_ - 1];
    const bool attached_before = previous != '*' && previous != '_' && previous != '"' &&
                                 !is_space(previous) && previous != '(' && previous != ':' &&
                                 previous != '=' && previous != ',' && !is_ideographic_end();
    // "6-7": a minus sign between numbers is none of the second.
    const bool after_number = !pieces_.empty() && pieces_.back().kind == Kind::kNumber;
    std::string content(text_.substr(begin, at - begin));
    if ((sign_before && text_[at_] == '-') || sign_behind) content.insert(0, "-");
    std::size_t percent = at;
    while (percent < at + 2 && percent < text_.size() && is_space(text_[percent])) ++percent;
    if (begins_with(text_, percent, "\\%")) ++percent;
    if (char_at(percent) == '%') {
      content += '%';
      at = percent + 1;
    }
    const char next = char_at(at);
    const bool attached_behind = is_letter(next) || next == '^' || next == '_' || next == '!' ||
                                 next == '{' || next == '[' || next == '\\' || next == '/' ||
                                 (next == '(' && !is_space(previous)) ||
                                 ((next == ':' || next == '-') && is_digit(char_at(at + 1))) ||
                                 (is_high(next) && !is_ideographic(next) && !is_unit_sign(at));
    const bool bold_behind = begins_with(text_, at, "__");
    const bool thousands = char_at(at) == ' ' && is_digit(char_at(at + 1));
    if (sign_before && after_number) return false;
    add(Kind::kNumber, at);
    pieces_.back().content = std::move(content);
    pieces_.back().currency = currency_name;
    pieces_.back().is_partial = attached_before || (attached_behind && !bold_behind) || thousands;
    return true;
  }

  bool is_ideographic_end() const {
    if (at_ < 3 || !is_high(text_[at_ - 1])) return false;
    return is_ideographic(text_[at_ - 3]);
  }

  bool is_unit_sign(std::size_t at) const {
    return begins_with(text_, at, "\u20ac") || begins_with(text_, at, "\u00b0") ||
           begins_with(text_, at, "\u00a3");
  }

  bool word() {
    std::size_t end = at_;
    while (end < text_.size() && in_word(end)) ++end;
    if (end == at_) return false;
    add(Kind::kWord, end);
    std::string& content = pieces_.back().content;
    pieces_.back().is_letter = content.size() == 1 && content[0] >= 'A' && content[0] <= 'Z';
    std::transform(content.begin(), content.end(), content.begin(), lower);
    return true;
  }

  bool in_word(std::size_t at) const {
    const char c = text_[at];
    if (is_letter(c) || is_high(c)) return true;
    // Between letters: "it's", "two-digit", "i.e."
    return (c == '\'' || c == '-' || c == '.') && at > at_ && is_letter(text_[at - 1]) &&
           is_letter(char_at(at + 1));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Piece> pieces_;
};

struct Spelling {
  std::string_view typed;
  std::string_view plain;
};

constexpr std::size_t kMaxNote = 80;  // bytes of "<<3+2=5>>"

constexpr std::array kSpellings = {Spelling{"\u3002", ". "},
                                   Spelling{"\uff01", "! "},
                                   Spelling{"\uff1f", "? "},
                                   Spelling{"\uff0c", ", "},
                                   Spelling{"\u3001", ", "},
                                   Spelling{"\uff1b", "; "},
                                   Spelling{"\u00a0", " "},
                                   Spelling{"\u202f", " "},
                                   Spelling{"\u2009", " "},
                                   Spelling{"\u3000", " "},
                                   Spelling{"\u2019", "'"},
                                   Spelling{"\u2212", "-"},
                                   Spelling{"\u3010", ""},
                                   Spelling{"\u3011", ": "},
                                   Spelling{"\u2705", ""},
                                   Spelling{"\u2713", ""},
                                   Spelling{"\u2714", ""},
                                   Spelling{"\ufe0f", ""},
                                   Spelling{"\u201c", "\""},
                                   Spelling{"\u201d", "\""},
                                   Spelling{"\u25a0", ""},
                                   Spelling{"\u25a1", ""},
                                   Spelling{"\u220e", ""},
                                   Spelling{"\u2014", ", "},
                                   Spelling{"\u2234", " so "},
                                   Spelling{"`", ""},
                                   Spelling{"<b>", "**"},
                                   Spelling{"</b>", "**"},
                                   Spelling{"<strong>", "**"},
                                   Spelling{"</strong>", "**"},
                                   Spelling{"<i>", ""},
                                   Spelling{"</i>", ""},
                                   Spelling{"<em>", ""},
                                   Spelling{"</em>", ""},
                                   Spelling{"<u>", ""},
                                   Spelling{"</u>", ""},
                                   Spelling{"<br>", "\n"},
                                   Spelling{"<br/>", "\n"},
                                   Spelling{"<p>", "\n"},
                                   Spelling{"</p>", "\n"},
                                   Spelling{"$\\blacksquare$", ""},
                                   Spelling{"$\\square$", ""},
                                   Spelling{"$\\Box$", ""},
                                   Spelling{"\\blacksquare", ""},
                                   Spelling{"\\qed", ""},
                                   Spelling{"\\therefore", ""}};

bool is_special(char c) {
  return c == '`' || c == '<' || c == '$' || c == '\\' || c == '\xc2' || c == '\xe2' ||
         c == '\xe3' || c == '\xef';
}

// Whether a spelling may begin with two bytes. Most dollar signs and
// commands of a long text are spared the list.
bool may_be_spelled(char c, char next) {
  switch (c) {
    case '`':
    case '\xc2':
    case '\xe2':
    case '\xe3':
    case '\xef':
      return true;
    case '<':
      return std::string_view("/biseup").find(next) != std::string_view::npos;
    case '\\':
      return std::string_view("bqt").find(next) != std::string_view::npos;
    case '$':
      return next == '\\';
    default:
      return false;
  }
}

}  // namespace

std::vector<Piece> pieces_of(std::string_view text) { return Splitter(text).split(); }

std::string plain_typed(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t plain =
        std::find_if(text.begin() + static_cast<std::ptrdiff_t>(i), text.end(), is_special) -
        text.begin();
    out.append(text.substr(i, plain - i));
    i = plain;
    if (i == text.size()) break;
    // "is $5.$ So": the stop belongs behind the formula.
    const std::size_t mark = text[i] == '$' ? 1 : begins_with(text, i, "\\)") ? 2 : 0;
    const bool closes = mark != 0 && (i + mark == text.size() || is_space(text[i + mark]));
    if (closes && out.size() > 1 && (out.back() == '.' || out.back() == ',') &&
        !is_space(out[out.size() - 2])) {
      out.insert(out.size() - 1, text.substr(i, mark));
      i += mark;
      continue;
    }
    const auto spelling =
        may_be_spelled(text[i], i + 1 < text.size() ? text[i + 1] : ' ')
            ? std::find_if(kSpellings.begin(), kSpellings.end(),
                           [&](const Spelling& each) { return begins_with(text, i, each.typed); })
            : kSpellings.end();
    if (spelling != kSpellings.end()) {
      const std::string_view rest = text.substr(i + spelling->typed.size());
      const bool command = spelling->typed.back() != '$' && spelling->typed.front() == '\\';
      if (!command || rest.empty() || !is_letter(rest.front())) {
        out.append(spelling->plain);
        i += spelling->typed.size();
        continue;
      }
    }
    // "<<3+2=5>>", a calculator's note.
    if (begins_with(text, i, "<<")) {
      const std::size_t close = text.substr(i, kMaxNote).find(">>");
      if (close != std::string_view::npos) {
        i += close + 2;
        continue;
      }
    }
    // Full-width ASCII. Its point ends a sentence, or a number goes on.
    const auto byte = [&](std::size_t at) {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
    };
    if (byte(i) == 0xEF && (byte(i + 1) == 0xBC || byte(i + 1) == 0xBD) && byte(i + 2) >= 0x80) {
      const unsigned code = ((byte(i + 1) & 0x3FU) << 6U) | (byte(i + 2) & 0x3FU);
      if (code >= 0xF01 && code <= 0xF5E) {
        out += static_cast<char>(code - 0xF01 + '!');
        i += 3;
        continue;
      }
    }
    out += text[i++];
  }
  return out;
}

}  // namespace urpo::answers
