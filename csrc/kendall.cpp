#include "kendall.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "kendall_rows.hpp"

namespace urpo {
namespace {

struct Item {
  double score;
  double truth;
};

int sign(double a, double b) { return (a > b) - (a < b); }

std::int64_t pairs(std::int64_t n) { return n * (n - 1) / 2; }

// Concordant minus discordant pairs, by comparing all of them.
std::int64_t balance_of_all_pairs(const double* scores, const double* truth, std::int64_t n) {
  std::int64_t balance = 0;
  for (std::int64_t i = 1; i < n; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      balance += sign(scores[i], scores[j]) * sign(truth[i], truth[j]);
    }
  }
  return balance;
}

// Pairs i < j with truth[i] > truth[j]. Merge sort: leaves `truth` sorted; `spare` has its size.
std::int64_t sort_counting_inversions(std::vector<double>& truth, std::vector<double>& spare) {
  const std::size_t n = truth.size();
  std::int64_t inversions = 0;
  for (std::size_t width = 1; width < n; width *= 2) {
    for (std::size_t begin = 0; begin < n; begin += 2 * width) {
      const std::size_t middle = std::min(begin + width, n);
      const std::size_t end = std::min(begin + 2 * width, n);
      std::size_t left = begin, right = middle, out = begin;
      while (left < middle && right < end) {
        if (truth[right] < truth[left]) {
          inversions += static_cast<std::int64_t>(middle - left);
          spare[out++] = truth[right++];
        } else {
          spare[out++] = truth[left++];
        }
      }
      std::copy(truth.begin() + left, truth.begin() + middle, spare.begin() + out);
      std::copy(truth.begin() + right, truth.begin() + end, spare.begin() + out + (middle - left));
    }
    truth.swap(spare);
  }
  return inversions;
}

// Pairs of neighbours' runs: sum of t (t - 1) / 2 over maximal runs of equal elements.
template <typename Range, typename Equal>
std::int64_t tied_pairs(const Range& sorted, Equal equal) {
  std::int64_t tied = 0;
  std::int64_t run = 1;
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (equal(sorted[i - 1], sorted[i])) {
      tied += run++;
    } else {
      run = 1;
    }
  }
  return tied;
}

// The same in O(n log n), after Knight (1966): order by score, then count the inversions of truth.
std::int64_t balance_by_sorting(const double* scores, const double* truth, std::int64_t n) {
  std::vector<Item> items(n);
  for (std::int64_t i = 0; i < n; ++i) items[i] = {scores[i], truth[i]};
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return a.score != b.score ? a.score < b.score : a.truth < b.truth;
  });
  const std::int64_t tied_score =
      tied_pairs(items, [](const Item& a, const Item& b) { return a.score == b.score; });
  const std::int64_t tied_both = tied_pairs(
      items, [](const Item& a, const Item& b) { return a.score == b.score && a.truth == b.truth; });

  std::vector<double> ordered(n), spare(n);
  std::transform(items.begin(), items.end(), ordered.begin(),
                 [](const Item& item) { return item.truth; });
  const std::int64_t discordant = sort_counting_inversions(ordered, spare);
  const std::int64_t tied_truth = tied_pairs(ordered, [](double a, double b) { return a == b; });
  return pairs(n) - tied_score - tied_truth + tied_both - 2 * discordant;
}

[[noreturn]] void refuse(std::size_t group, std::int64_t n) {
  throw std::invalid_argument("group " + std::to_string(group) + " has " + std::to_string(n) +
                              " item(s): a ranking needs at least 2");
}

// Throws for the first NaN of a group, which is number `group` of its batch.
void check_numbers(const double* scores, const double* truth, std::int64_t n, std::size_t group) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (std::isnan(scores[i]) || std::isnan(truth[i])) {
      throw std::invalid_argument("group " + std::to_string(group) + ", item " + std::to_string(i) +
                                  ": " + (std::isnan(scores[i]) ? "score" : "truth") + " is NaN");
    }
  }
}

// The taus of `groups` groups of n items; the first is number `first` of its batch.
void tau_of_rows(const double* scores, const double* truth, std::int64_t n, std::size_t groups,
                 std::size_t first, double* tau, int max_lanes) {
  if (n < 2) refuse(first, n);
  std::size_t done = 0;
  if (n <= kAllPairsLimit) {
    bool may_have_nan = false;
    done = kendall_rows(scores, truth, n, groups, tau, may_have_nan, max_lanes);
    for (std::size_t g = 0; may_have_nan && g < done; ++g) {
      check_numbers(scores + g * n, truth + g * n, n, first + g);
    }
  }
  for (std::size_t g = done; g < groups; ++g) {
    const double* s = scores + g * n;
    const double* t = truth + g * n;
    check_numbers(s, t, n, first + g);
    const std::int64_t balance =
        n <= kAllPairsLimit ? balance_of_all_pairs(s, t, n) : balance_by_sorting(s, t, n);
    tau[g] = static_cast<double>(balance) / static_cast<double>(pairs(n));
  }
}

}  // namespace

void kendall_tau(const double* scores, const double* truth, const std::int64_t* offsets,
                 std::size_t groups, double* tau) {
  for (std::size_t first = 0, last = 0; first < groups; first = last) {
    const std::int64_t n = offsets[first + 1] - offsets[first];
    while (last < groups && offsets[last + 1] - offsets[last] == n) ++last;
    tau_of_rows(scores + offsets[first], truth + offsets[first], n, last - first, first,
                tau + first, native_lanes());
  }
}

void kendall_tau(const double* scores, const double* truth, std::int64_t n, std::size_t groups,
                 double* tau, int max_lanes) {
  if (groups > 0) tau_of_rows(scores, truth, n, groups, 0, tau, max_lanes);
}

}  // namespace urpo
