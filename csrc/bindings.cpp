// The Python module megatron_urpo._core; its signatures are documented in megatron_urpo/_core.pyi.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "answers/canonical.hpp"
#include "answers/final_answer.hpp"
#include "answers/judge.hpp"
#include "extraction.hpp"
#include "kendall.hpp"

namespace py = pybind11;

namespace {

using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Int64s = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;

// UTF-8 of any Python string: a lone surrogate is kept instead of refused, so that no text a model
// can write makes the readers raise.
std::string to_utf8(const py::str& text) {
  const auto bytes = py::reinterpret_steal<py::bytes>(
      PyUnicode_AsEncodedString(text.ptr(), "utf-8", "surrogatepass"));
  if (!bytes) throw py::error_already_set();
  return bytes;
}

py::str from_utf8(std::string_view text) {
  const auto size = static_cast<py::ssize_t>(text.size());
  PyObject* decoded = PyUnicode_DecodeUTF8(text.data(), size, "surrogatepass");
  // A reader that cut a character in two must not end a run: what is shown lacks that character.
  if (decoded == nullptr && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
    PyErr_Clear();
    decoded = PyUnicode_DecodeUTF8(text.data(), size, "replace");
  }
  if (decoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

void check_ragged(const Doubles& scores, const Doubles& truth, const Int64s& offsets) {
  if (scores.ndim() != 1 || truth.ndim() != 1 || offsets.ndim() != 1) {
    throw std::invalid_argument("scores, truth and offsets must be one-dimensional");
  }
  if (scores.size() != truth.size()) {
    throw std::invalid_argument("scores has " + std::to_string(scores.size()) +
                                " values, truth has " + std::to_string(truth.size()));
  }
  const std::int64_t* offset = offsets.data();
  const py::ssize_t groups = offsets.size() - 1;
  if (groups < 0 || offset[0] != 0 || offset[groups] != scores.size()) {
    throw std::invalid_argument("offsets must run from 0 to the number of values, " +
                                std::to_string(scores.size()));
  }
  for (py::ssize_t g = 0; g < groups; ++g) {
    if (offset[g + 1] < offset[g]) {
      throw std::invalid_argument("offsets decrease after group " + std::to_string(g));
    }
  }
}

Doubles kendall_tau(const Doubles& scores, const Doubles& truth, const Int64s& offsets) {
  check_ragged(scores, truth, offsets);
  const std::size_t groups = static_cast<std::size_t>(offsets.size() - 1);
  Doubles tau(static_cast<py::ssize_t>(groups));
  const double* score_data = scores.data();
  const double* truth_data = truth.data();
  const std::int64_t* offset_data = offsets.data();
  double* tau_data = tau.mutable_data();
  {
    py::gil_scoped_release release;
    urpo::kendall_tau(score_data, truth_data, offset_data, groups, tau_data);
  }
  return tau;
}

Doubles kendall_tau_rows(const Doubles& scores, const Doubles& truth, int max_lanes) {
  if (scores.ndim() != 2 || truth.ndim() != 2 || scores.shape(0) != truth.shape(0) ||
      scores.shape(1) != truth.shape(1)) {
    throw std::invalid_argument("scores and truth must be (groups, N) arrays of one shape");
  }
  Doubles tau(scores.shape(0));
  const double* score_data = scores.data();
  const double* truth_data = truth.data();
  double* tau_data = tau.mutable_data();
  {
    py::gil_scoped_release release;
    urpo::kendall_tau(score_data, truth_data, scores.shape(1),
                      static_cast<std::size_t>(scores.shape(0)), tau_data, max_lanes);
  }
  return tau;
}

std::vector<std::string> to_utf8_all(const std::vector<py::str>& texts) {
  std::vector<std::string> all;
  all.reserve(texts.size());
  for (const py::str& text : texts) all.push_back(to_utf8(text));
  return all;
}

// (answer or None, 0 no / 1 yes / 2 undecided, the golds that are undecided)
py::tuple to_tuple(const urpo::answers::Judgement& judgement) {
  py::object answer = py::none();
  if (judgement.answer) answer = from_utf8(*judgement.answer);
  py::list undecided;
  for (const std::string& gold : judgement.undecided) undecided.append(from_utf8(gold));
  return py::make_tuple(answer, static_cast<int>(judgement.verdict), undecided);
}

std::optional<py::str> final_answer(const py::str& response) {
  const std::string text = to_utf8(response);
  std::optional<urpo::answers::FinalAnswer> answer;
  {
    py::gil_scoped_release release;
    answer = urpo::answers::final_answer(text);
  }
  if (!answer) return std::nullopt;
  return from_utf8(answer->text);
}

py::str canonical_answer(const py::str& gold) {
  const std::string text = to_utf8(gold);
  std::string canonical;
  {
    py::gil_scoped_release release;
    canonical = urpo::answers::canonical(text);
  }
  return from_utf8(canonical);
}

py::tuple judge_answer(const py::str& response, const std::vector<py::str>& golds) {
  const std::string text = to_utf8(response);
  const std::vector<std::string> accepted = to_utf8_all(golds);
  urpo::answers::Judgement judgement;
  {
    py::gil_scoped_release release;
    judgement = urpo::answers::judge(text, accepted);
  }
  return to_tuple(judgement);
}

py::list judge_answers(const std::vector<py::str>& responses,
                       const std::vector<std::vector<py::str>>& golds, std::int64_t threads) {
  if (responses.size() != golds.size()) {
    throw std::invalid_argument(std::to_string(responses.size()) + " responses, golds of " +
                                std::to_string(golds.size()));
  }
  if (threads < 1)
    throw std::invalid_argument("threads = " + std::to_string(threads) + ": must be at least 1");
  const std::vector<std::string> texts = to_utf8_all(responses);
  std::vector<std::vector<std::string>> accepted;
  accepted.reserve(golds.size());
  for (const auto& each : golds) accepted.push_back(to_utf8_all(each));
  std::vector<urpo::answers::Judgement> judgements;
  {
    py::gil_scoped_release release;
    judgements = urpo::answers::judge_all(texts, accepted, static_cast<std::size_t>(threads));
  }
  py::list results;
  for (const auto& judgement : judgements) results.append(to_tuple(judgement));
  return results;
}

std::optional<std::vector<double>> parse_scores(const py::str& text, std::int64_t count) {
  if (count < 1) {
    throw std::invalid_argument("count = " + std::to_string(count) + ": must be at least 1");
  }
  const std::string utf8 = to_utf8(text);
  py::gil_scoped_release release;
  return urpo::parse_scores(utf8, static_cast<std::size_t>(count));
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "Reward arithmetic in C++: Kendall's tau-a, equivalence of answers, scores.";
  m.def("kendall_tau", &kendall_tau, py::arg("scores"), py::arg("truth"), py::arg("offsets"));
  m.def("kendall_tau_rows", &kendall_tau_rows, py::arg("scores"), py::arg("truth"),
        py::arg("max_lanes") = 8);
  m.def("final_answer", &final_answer, py::arg("response"));
  m.def("canonical_answer", &canonical_answer, py::arg("gold"));
  m.def("judge_answer", &judge_answer, py::arg("response"), py::arg("golds"));
  m.def("judge_answers", &judge_answers, py::arg("responses"), py::arg("golds"),
        py::arg("threads") = 1);
  m.def("parse_scores", &parse_scores, py::arg("text"), py::arg("count"));
}
