// What a value may be called besides a letter: "\gcd(24, 36) = 12", "\max f = 12".
#pragma once

#include <string>

namespace urpo::answers {

// Leaves the values of "\lim_{x \to 0} f(x) = 12", "\operatorname{Var}(X) = 12" and the like, where
// both sides have the same name or one of them has none. False where they have different names, or
// the answer's can be calculated and is another value.
bool leave_named_values(std::string& answer, std::string& gold);

}  // namespace urpo::answers
