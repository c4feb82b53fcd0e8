#include "equivalence.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "answer_wording.hpp"
#include "ball.hpp"
#include "bound_names.hpp"
#include "characters.hpp"
#include "clock_time.hpp"
#include "closed_form.hpp"
#include "family.hpp"
#include "library_scope.hpp"
#include "notation.hpp"
#include "parser.hpp"
#include "remarks.hpp"
#include "residue.hpp"
#include "rewriting.hpp"
#include "shapes.hpp"
#include "spelled_numbers.hpp"
#include "spellings.hpp"
#include "tokens.hpp"
#include "unit_vectors.hpp"
#include "value_names.hpp"
#include "words.hpp"

namespace urpo::answers {
namespace {

// Decided by text alone, if at all.
std::optional<Verdict> compare_words(const std::string& answer, const std::string& gold) {
  if (const auto wanted = month_and_day(gold)) {
    return month_and_day(answer) == wanted ? Verdict::kYes : Verdict::kNo;
  }
  if (names_all_choices(answer, gold)) return Verdict::kYes;
  const std::vector<std::string> list = listed_words(gold);
  if (!list.empty() && listed_words(answer) == list) return Verdict::kYes;
  if (is_words(gold)) {
    const bool same =
        with_usual_words(folded_words(answer)) == with_usual_words(folded_words(gold));
    return same ? Verdict::kYes : Verdict::kNo;
  }
  if (is_words(answer) || (is_denial(answer) && !is_denial(gold))) return Verdict::kNo;
  if (count_words(gold, 2) == 2)
    return folded_words(answer) == folded_words(gold) ? Verdict::kYes : Verdict::kNo;
  if (is_date(gold)) return Verdict::kNo;
  return std::nullopt;
}

// Words for a set or a number, where the other side is none of words.
void read_words(std::string& answer, std::string& gold) {
  if (is_words(answer) == is_words(gold)) return;
  std::string& words = is_words(answer) ? answer : gold;
  const std::string folded = folded_words(words);
  const std::string_view set = set_in_words(folded);
  if (!set.empty()) words = std::string(set);
  if (const auto number = number_in_words(folded)) words = *number;
}

// "(B) or (C)", "B. C": more than one letter.
bool names_another(const Choice& choice) {
  const std::string_view rest = choice.content;
  if (rest.empty()) return false;
  if (std::string_view(",;/&+|-").find(rest.front()) != std::string_view::npos || read_choice(rest))
    return true;
  for (const std::string_view joint :
       {"or", "and", "\\text{ or", "\\text{or", "\\text{ and", "\\text{and"}) {
    if (rest.substr(0, joint.size()) == joint) return true;
  }
  for (std::size_t i = 0; i + 2 < rest.size(); ++i) {
    if (rest[i] == '(' && rest[i + 2] == ')' && rest[i + 1] >= 'A' && rest[i + 1] <= 'J')
      return true;
  }
  return false;
}

// The letter of "C Cecile", a choice and the name it stands for; 0 for anything else.
char letter_before_name(std::string_view gold) {
  const bool is_one = gold.size() > 3 && gold[0] >= 'A' && gold[0] <= 'J' && gold[1] == ' ' &&
                      gold[2] >= 'A' && gold[2] <= 'Z' && is_letter(gold[3]);
  return is_one ? gold[0] : '\0';
}

// Decides answers that name a choice, or leaves in `answer` and `gold` what else they say.
std::optional<Verdict> compare_choices(std::string& answer, std::string& gold) {
  const auto wanted = read_choice(gold);
  const auto given = read_choice(answer);
  const char named = letter_before_name(gold);
  if (named != '\0' && given && given->content.empty()) {
    return given->letter == named && !given->lower_case ? Verdict::kYes : Verdict::kNo;
  }
  const auto same_letter = [&] {
    return given->letter == wanted->letter ? Verdict::kYes : Verdict::kNo;
  };
  if (wanted && given && names_another(*given)) return Verdict::kNo;
  if (wanted && wanted->content.empty()) {
    if (!given) return wanted->marked ? std::optional(Verdict::kNo) : std::nullopt;
    const bool same_case = given->lower_case == wanted->lower_case ||
                           (given->marked && wanted->marked) ||
                           (given->content.empty() && !wanted->lower_case && wanted->letter <= 'E');
    return same_case ? same_letter() : Verdict::kNo;
  }
  // "(B) 12" is met by the letter, by the content, and by both.
  const bool gold_labelled = wanted && wanted->marked;
  if (gold_labelled && given && given->content.empty()) return same_letter();
  if (gold_labelled && given && given->letter != wanted->letter) return Verdict::kNo;
  if (given && given->marked && !given->content.empty()) answer = std::string(given->content);
  if (gold_labelled) gold = std::string(wanted->content);
  return std::nullopt;
}

bool has_grouping_comma(const std::string& text) {
  for (const Token& token : tokenize(text, Commas::kGroupDigits)) {
    if (token.grouped_by_comma) return true;
  }
  return false;
}

// "2,5" for 2.5; three digits behind a comma are a group, and one may be the second value of a
// list.
std::optional<std::string> with_decimal_point(const std::string& text, std::size_t least) {
  std::string out = text;
  std::size_t commas = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (text[i] == ',' && i > 0 && i + 1 < text.size()) {
      out[i] = '.';
      ++commas;
    } else if (!digit && !(i == 0 && text[i] == '-')) {
      return std::nullopt;
    }
  }
  const std::size_t places = text.size() - text.find(',') - 1;
  const bool group = places == 3 && text.front() != '0' && text.compare(0, 2, "-0") != 0;
  if (commas != 1 || group || places < least) return std::nullopt;
  return out;
}

Verdict compare_parsed(const std::string& answer, const std::string& gold, Budget& budget) {
  const Verdict verdict = compare_answers(parse(answer), parse(gold), budget);
  if (verdict != Verdict::kNo) return verdict;
  // "98,118,122,142" is one number to some and a list to others; what the other side is decides.
  const bool answer_grouped = has_grouping_comma(answer);
  const bool gold_grouped = has_grouping_comma(gold);
  if (answer_grouped != gold_grouped) {
    const NodePtr list = parse(answer_grouped ? answer : gold, Commas::kSeparate);
    const NodePtr other = parse(answer_grouped ? gold : answer);
    const bool several = other->kind == Kind::kList || other->kind == Kind::kBraces ||
                         other->kind == Kind::kBracketed;
    if (list->kind == Kind::kList && list->args.size() > 2 && several &&
        list->args.size() == other->args.size()) {
      return answer_grouped ? compare_answers(list, other, budget)
                            : compare_answers(other, list, budget);
    }
  }
  const auto decimal = with_decimal_point(answer, 1);
  if (decimal && gold.find('.') != std::string::npos)
    return compare_answers(parse(*decimal), parse(gold), budget);
  // A gold may mean two values.
  if (with_decimal_point(gold, 2) == answer) return Verdict::kYes;
  return verdict;
}

Verdict decided(const std::string& answer, const std::string& gold) {
  Budget budget;
  try {
    return compare_parsed(answer, gold, budget);
  } catch (const Unsupported&) {
    // Words around a value claim something about it: to others they are products of letters.
    const bool claims = count_words(answer, 1) > count_words(gold, 1);
    const bool hedges = contains_word(answer, "or") && !contains_word(gold, "or");
    return claims || hedges || asks_for_work(answer, gold) ? Verdict::kNo : Verdict::kUndecided;
  } catch (const LimitExceeded&) {
    return Verdict::kUndecided;
  } catch (const Undefined&) {
    return Verdict::kUndecided;
  }
}

// "7 \pmod{12}" for 19 modulo 12 and for a plain 7, which is what the problem asks for then.
std::optional<Verdict> compare_residues(const std::string& answer, const std::string& gold) {
  const auto given = read_residue(answer);
  const auto wanted = read_residue(gold);
  if (!given && !wanted) return std::nullopt;
  // One member is not the class.
  if (!given && wanted->is_class) return Verdict::kNo;
  if (given && wanted) {
    if (given->modulus != wanted->modulus) return Verdict::kNo;
    if (const auto same = congruent(*given, *wanted)) return *same ? Verdict::kYes : Verdict::kNo;
  }
  const Verdict verdict = decided(given ? given->value : answer, wanted ? wanted->value : gold);
  // The library would read over the modulus.
  return verdict == Verdict::kUndecided ? Verdict::kNo : verdict;
}

// What the library reads only in part is met by the same text alone; of two equations, only what
// follows the same left side is left to it.
Verdict without_guessing(const std::string& answer, const std::string& gold) {
  if (is_read_in_part(answer, gold)) return Verdict::kNo;
  const std::size_t answer_side = answer.rfind('=');
  const std::size_t gold_side = gold.rfind('=');
  if (answer_side == std::string::npos || gold_side == std::string::npos) {
    return Verdict::kUndecided;
  }
  if (squeezed(answer.substr(0, answer_side)) != squeezed(gold.substr(0, gold_side))) {
    return Verdict::kNo;
  }
  return decided(answer.substr(answer_side + 1), gold.substr(gold_side + 1));
}

// Without the condition, an answer has to name the gold's own letter, and its value may not be what
// the condition restricts.
std::optional<Verdict> compare_families(const std::string& answer, const std::string& gold) {
  const auto given = read_family(answer);
  const auto wanted = read_family(gold);
  if (!given && !wanted) return std::nullopt;
  std::optional<std::string> expected = gold;
  if (given && wanted) expected = in_letter_of(*wanted, *given);
  if (!given) {
    const bool forgiven = wanted->domain == "Z" || wanted->domain == "R";
    if (!forgiven || restricts_unknown(*wanted)) return Verdict::kNo;
    expected = wanted->formula;
  }
  if (!expected) return Verdict::kNo;
  const Verdict verdict =
      decided(without_wording(given ? given->formula : answer), without_wording(*expected));
  return verdict == Verdict::kUndecided ? Verdict::kNo : verdict;
}

}  // namespace

Verdict equivalent(std::string_view answer_utf8, std::string_view gold_utf8) {
  const auto answer_integer = plain_integer(answer_utf8);
  const auto gold_integer = plain_integer(gold_utf8);
  if (answer_integer && gold_integer)
    return *answer_integer == *gold_integer ? Verdict::kYes : Verdict::kNo;
  if (answer_utf8.size() > kMaxAnswerBytes) return Verdict::kNo;
  if (gold_utf8.size() > kMaxAnswerBytes)
    return answer_utf8 == gold_utf8 ? Verdict::kYes : Verdict::kNo;

  std::string answer = in_common_notation(normalized(answer_utf8));
  std::string gold = in_common_notation(normalized(gold_utf8));
  if (answer.empty() || gold.empty())
    return answer == gold && answer_utf8 == gold_utf8 ? Verdict::kYes : Verdict::kNo;
  if (squeezed(unwrapped(answer)) == squeezed(unwrapped(gold))) return Verdict::kYes;
  if (const auto choices = compare_choices(answer, gold)) return *choices;
  if (squeezed(answer) == squeezed(gold)) return Verdict::kYes;
  if ((has_other_spelling(answer) || has_other_spelling(gold)) &&
      with_common_commands(answer) == with_common_commands(gold))
    return Verdict::kYes;
  if (const auto families = compare_families(answer, gold)) return *families;
  answer = without_remark(std::move(answer));
  gold = without_remark(std::move(gold));
  answer = with_unit_as_text(without_wording(std::move(answer)), gold);
  gold = without_wording(std::move(gold));
  answer = with_components(std::move(answer), gold);
  gold = with_components(std::move(gold), answer);
  answer = with_binomials(std::move(answer), gold);
  gold = with_binomials(std::move(gold), answer);
  if (!leave_named_values(answer, gold)) return Verdict::kNo;
  name_alike(answer, gold);
  if (squeezed(answer) == squeezed(gold)) return Verdict::kYes;
  if (const auto times = compare_clock_times(answer, gold)) return *times;
  if (const auto residues = compare_residues(answer, gold)) return *residues;
  if (has_ordered_product(gold) || has_ordered_product(answer)) {
    const auto spaceless = [](const std::string& text) {
      std::string out = with_common_commands(text);
      out.erase(std::remove(out.begin(), out.end(), ' '), out.end());
      return out;
    };
    return spaceless(answer) == spaceless(gold) ? Verdict::kYes : Verdict::kNo;
  }
  if (const auto same = same_digits_and_base(answer, gold))
    return *same ? Verdict::kYes : Verdict::kNo;
  if (is_statement(answer) || is_statement(gold)) {
    const Verdict verdict = decided(answer, gold);
    return verdict == Verdict::kUndecided ? Verdict::kNo : verdict;
  }
  read_words(answer, gold);
  if (const auto words = compare_words(answer, gold)) return *words;
  Verdict verdict = decided(answer, gold);
  if (verdict == Verdict::kUndecided) verdict = without_guessing(answer, gold);
  return verdict;
}

}  // namespace urpo::answers
