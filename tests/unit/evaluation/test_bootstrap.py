import numpy as np
import pytest
from scipy import stats

from megatron_urpo.evaluation.bootstrap import bootstrap_interval


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(3).normal(0.3, 1.0, 400)
    reference = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    lower, upper = bootstrap_interval(values, resamples=20_000)
    assert lower == pytest.approx(reference.low, abs=0.01)
    assert upper == pytest.approx(reference.high, abs=0.01)


def test_interval_of_equal_values_is_the_value():
    assert bootstrap_interval([0.25] * 50) == (0.25, 0.25)


def test_interval_is_reproducible_and_widens_with_confidence():
    values = np.arange(30.0)
    assert bootstrap_interval(values) == bootstrap_interval(values)
    narrow, wide = bootstrap_interval(values, confidence=0.5), bootstrap_interval(values)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_no_values_is_an_error():
    with pytest.raises(ValueError, match="one value an item"):
        bootstrap_interval([])
