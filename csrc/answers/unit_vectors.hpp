// Vectors as sums of \mathbf{i}, \mathbf{j} and \mathbf{k}.
#pragma once

#include <string>

namespace urpo::answers {

// "2\mathbf{i} - 3\mathbf{k}" as "(2, 0, -3)", where `other` is a column, row or point. Any other
// text as it is.
std::string with_components(std::string normalized_text, const std::string& other);

}  // namespace urpo::answers
