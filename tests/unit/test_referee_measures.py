"""The table of the referee's measures agrees with the configuration and with docs/referee.md."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from megatron_urpo.config import MonitoringConfig
from megatron_urpo.referee_measures import REFEREE_MEASURES

PAGE = Path(__file__).parents[2] / "docs" / "referee.md"
MEASURES = pytest.mark.parametrize("measure", REFEREE_MEASURES.values(), ids=REFEREE_MEASURES)


def test_every_threshold_is_of_one_measure():
    keys = [field.name for field in fields(MonitoringConfig)]
    thresholds = [key for key in keys if key.startswith(("min_", "max_"))]
    assert sorted(measure.key for measure in REFEREE_MEASURES.values()) == sorted(thresholds)


@MEASURES
def test_the_page_explains_measure_and_threshold(measure):
    page = PAGE.read_text(encoding="utf-8")
    assert f"| `{measure.name}` |" in page
    default = getattr(MonitoringConfig(), measure.key)
    assert re.search(rf"^\| `{measure.key}` \| {default:g} \|", page, re.MULTILINE)


@MEASURES
def test_a_threshold_may_be_the_lowest_value_and_no_less(measure):
    MonitoringConfig(**{measure.key: measure.lowest})
    with pytest.raises(ValueError, match=rf"{measure.key} = .*: must lie in \["):
        MonitoringConfig(**{measure.key: measure.lowest - 0.25})
