// Letters that may be called otherwise without saying anything else.
#pragma once

#include <string>
#include <string_view>

namespace urpo::answers {

// Every `from` of a formula as `to`, command names left out.
std::string with_letter(std::string_view formula, char from, char to);

// Gives an answer the gold's name for the constant of an integral ("+ c" for "+ C") and for the
// index of its one sum or product.
void name_alike(std::string& answer, const std::string& gold);

}  // namespace urpo::answers
