// The Python module megatron_urpo._core; its signatures are documented in megatron_urpo/_core.pyi.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

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
  PyObject* decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<py::ssize_t>(text.size()),
                                           "surrogatepass");
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

std::optional<py::str> last_boxed(const py::str& text) {
  const std::string utf8 = to_utf8(text);
  std::optional<std::string_view> content;
  {
    py::gil_scoped_release release;
    content = urpo::last_boxed(utf8);
  }
  if (!content) return std::nullopt;
  return from_utf8(*content);
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
  m.doc() = "Reward arithmetic in C++: Kendall's tau-a, boxed answers, scores.";
  m.def("kendall_tau", &kendall_tau, py::arg("scores"), py::arg("truth"), py::arg("offsets"));
  m.def("kendall_tau_rows", &kendall_tau_rows, py::arg("scores"), py::arg("truth"),
        py::arg("max_lanes") = 8);
  m.def("last_boxed", &last_boxed, py::arg("text"));
  m.def("parse_scores", &parse_scores, py::arg("text"), py::arg("count"));
}
