#include "rivals.hpp"

#include "lexicon.hpp"
#include "scan.hpp"

namespace urpo::answers {
namespace {

// "and 6 if zero counts", "6 otherwise"
bool is_conditional(const Clause& part, std::size_t i) {
  const bool begins = i == part.begin || part[i - 1].kind == Piece::Kind::kSign ||
                      part.is_word(i - 1, "and") || part.is_word(i - 1, "but") ||
                      part.is_word(i - 1, "is");
  return begins && (part.is_word(i + 1, "if") || part.is_word(i + 1, "unless") ||
                    part.is_word(i + 1, "otherwise") || part.is_word(i + 1, "when"));
}

// ", 6 without it"; " for even n and 6 for odd n", two cases alike
bool is_another_case(const Clause& part, std::size_t i) {
  if (i == part.begin) {
    for (const std::string_view word : {"without", "excluding", "including", "counting", "not"}) {
      if (part.is_word(i + 1, word)) return true;
    }
    return false;
  }
  for (const std::string_view word : {"for", "in", "with", "without"}) {
    if (part.is_word(part.begin, word) && part.is_word(i - 1, "and") && part.is_word(i + 1, word))
      return true;
  }
  return false;
}

// "although 6 is the correct answer"; "since 2 is right" explains.
bool is_called_right(const Clause& part, std::size_t i) {
  bool contrasts = false;
  for (const std::string_view word : {"although", "though", "while", "whereas"}) {
    contrasts = contrasts || part.is_word(part.begin, word);
  }
  return (contrasts || !part.has_sense(part.begin, kReason)) && is_approved(part, i);
}

// "rounded up to 6"; not "rounded to 2 decimal places".
bool is_rounded_to(const Clause& part, std::size_t i) {
  if (i + 1 != part.end || i < part.begin + 2 || !part.is_word(i - 1, "to")) return false;
  for (const std::string_view word : {"rounded", "rounds", "round"}) {
    if (part.is_word(i - 2, word) || (i > part.begin + 2 && part.is_word(i - 3, word))) return true;
  }
  return false;
}

}  // namespace

bool is_rival(const Clause& part, std::size_t i) {
  return is_conditional(part, i) || is_another_case(part, i) || is_called_right(part, i) ||
         is_rounded_to(part, i);
}

bool is_also_right(const Clause& sentence) {
  bool also = false;
  for (std::size_t i = sentence.begin + 1; i < sentence.end; ++i) {
    if (sentence[i].kind != Piece::Kind::kWord) return false;
    also = also || sentence.is_word(i, "also");
    for (const std::string_view word :
         {"valid", "correct", "right", "possible", "acceptable", "work", "works"}) {
      if (also && sentence.is_word(i, word)) return true;
    }
  }
  return false;
}

bool is_denied(const Clause& sentence, std::size_t i) {
  for (const std::string_view verb : {"does", "do", "can", "could"}) {
    if (sentence.is_word(i, verb) && sentence.is_word(i + 1, "not")) ++i;
  }
  const bool refuses = sentence.is_word(i, "not") || sentence.is_word(i, "doesn't") ||
                       sentence.is_word(i, "don't") || sentence.is_word(i, "cannot");
  if (refuses) {
    for (const std::string_view verb : {"work", "satisfy", "fit", "hold", "match", "solve", "be"}) {
      if (sentence.is_word(i + 1, verb)) return true;
    }
    return false;
  }
  if (sentence.is_word(i, "fails")) return true;
  const bool negates = sentence.is_word(i, "isn't");
  if (!negates && !sentence.is_word(i, "is")) return false;
  if (negates || sentence.is_word(i + 1, "not")) {
    i += negates ? 1 : 2;
    if (sentence.is_word(i, "the")) ++i;
    for (const std::string_view word :
         {"answer", "correct", "right", "valid", "solution", "allowed", "possible", "acceptable"}) {
      if (sentence.is_word(i, word)) return true;
    }
    return false;
  }
  return sentence.has_sense(i + 1, kErrs | kRejects);
}

bool is_other_case(const Clause& sentence) {
  bool begins = false;
  for (const std::string_view word : {"if", "excluding", "including", "without", "counting"}) {
    begins = begins || sentence.is_word(sentence.begin, word);
  }
  if (!begins || sentence.end < sentence.begin + 3) return false;
  const std::size_t verb = sentence.end - 2;
  const bool pronoun = (sentence.is_word(verb, "is") || sentence.is_word(verb, "becomes")) &&
                       sentence.is_word(verb - 1, "it");
  return pronoun || sentence.is_word(verb, "it's") || sentence.is_word(verb, "then");
}

bool turns_together(std::string_view previous, std::string_view word) {
  if (previous == "i") return word == "mean";
  if (previous == "me") return word == "correct" || word == "redo";
  if (previous == "second") return word == "thought" || word == "thoughts";
  if (previous == "never") return word == "mind";
  if (previous == "my") return word == "bad";
  if (previous == "hold") return word == "on";
  if (previous != "another") return false;
  for (const std::string_view noun : {"possibility", "possible", "valid", "answer", "solution"}) {
    if (word == noun) return true;
  }
  return false;
}

std::string_view after_ideographic_turn(std::string_view text) {
  // A correction to, should be, changed to, or, otherwise.
  for (const std::string_view word :
       {"\u66f4\u6b63", "\u8ba2\u6b63", "\u4fee\u6b63", "\u5e94\u4e3a", "\u5e94\u8be5\u662f",
        "\u5e94\u662f", "\u6539\u4e3a", "\u6216", "\u5426\u5219"}) {
    if (begins_with(text, word)) return text.substr(word.size());
  }
  return {};
}

}  // namespace urpo::answers
