// libFuzzer harness of the answer engine: no input may crash it, hang it or make it disagree with
// itself. The bytes before the first 0xFF, which no UTF-8 contains, are a response, the rest a
// gold.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include "../../csrc/answers/canonical.hpp"
#include "../../csrc/answers/equivalence.hpp"
#include "../../csrc/answers/judge.hpp"
#include "../../csrc/answers/scan.hpp"

namespace {

using urpo::answers::canonical;
using urpo::answers::equivalent;
using urpo::answers::Verdict;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

// Whether every character is whole.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80   ? 1
                               : lead < 0xC0 ? 0
                               : lead < 0xE0 ? 2
                               : lead < 0xF0 ? 3
                                             : 4;
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if (!urpo::answers::is_continuation(text[i + k])) return false;
    }
    i += length;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t border = input.find('\xFF');
  const std::string response(input.substr(0, border));
  const std::string gold(border == std::string_view::npos ? input : input.substr(border + 1));

  try {
    const auto judgement = urpo::answers::judge(response, {gold});
    require(judgement.undecided.empty() == (judgement.verdict != Verdict::kUndecided),
            "who is asked");
    require(judgement.answer || judgement.verdict == Verdict::kNo, "no credit without an answer");
    require(!judgement.answer || is_utf8(*judgement.answer) || !is_utf8(response),
            "no character is cut in two");
  } catch (const std::invalid_argument&) {  // the gold is empty
  }
  const Verdict forward = equivalent(response, gold);
  require(equivalent(response, gold) == forward, "twice the same");
  require(equivalent("", gold) != Verdict::kYes || gold.empty(), "no credit for nothing");
  require(canonical(response) == canonical(response), "one canonical form");
  return 0;
}
