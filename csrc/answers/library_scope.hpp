// What is not left to the math-verify library when it is not decided here.
#pragma once

#include <string>

namespace urpo::answers {

// "A^T B", "\vec{a} \times \vec{b}": a product of matrices or vectors, which has an order.
bool has_ordered_product(const std::string& normalized_text);

// A statement of logic, geometry or sets, or a conditional probability: the library cannot read it.
bool is_statement(const std::string& normalized_text);

// Whether the library would read only a part of one side, and then accept whatever the rest says:
// several formulas in a row, ellipses, cases, numbers in a row, or other names, words, subscripts,
// primes, relations and percent signs than the gold's.
bool is_read_in_part(const std::string& answer, const std::string& gold);

}  // namespace urpo::answers
