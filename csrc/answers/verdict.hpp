// What a comparison of answers comes to.
#pragma once

namespace urpo::answers {

// "No" is as sure as "yes"; undecided is for another judge.
enum class Verdict { kNo, kYes, kUndecided };

}  // namespace urpo::answers
