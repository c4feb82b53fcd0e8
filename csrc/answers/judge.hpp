// One response, or many, against accepted answers.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "verdict.hpp"

namespace urpo::answers {

struct Judgement {
  std::optional<std::string> answer;  // none: the response has no final answer, and is wrong
  Verdict verdict = Verdict::kNo;
  std::vector<std::string> undecided;  // the golds that need another judge, where `verdict` says so
};

// Yes if the final answer is equivalent to one of the golds, no if it is surely to none. Throws
// std::invalid_argument if there is no gold or an empty one.
Judgement judge(std::string_view response, const std::vector<std::string>& golds);

// Of each response against its own golds, on `threads` threads.
std::vector<Judgement> judge_all(const std::vector<std::string>& responses,
                                 const std::vector<std::vector<std::string>>& golds,
                                 std::size_t threads);

}  // namespace urpo::answers
