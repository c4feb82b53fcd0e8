import json
import re

import pytest

from megatron_urpo.monitoring.baseline import (
    Baseline,
    BaselineError,
    read_baseline,
    write_baseline,
)
from megatron_urpo.run_files import BASELINE_FILE

from .known import judged, verdict

GROUPS = [
    judged([1, 2], verdict([1.5, 2]), verdict(None, (1, 0), truncated=True), key="a"),
    judged([2, 1], verdict([1e308, 0.1]), verdict([0, -3], (1, 0)), key="b"),
]
BASELINE = Baseline.of(3, {"monitoring/preference/tau": 0.1}, GROUPS)


def test_what_is_written_reads_back_equal(tmp_path):
    write_baseline(tmp_path, BASELINE)
    assert read_baseline(tmp_path) == BASELINE
    assert [path.name for path in (tmp_path / "monitoring").iterdir()] == ["baseline.json"]
    write_baseline(tmp_path, Baseline.of(4, {}, GROUPS[:1]))
    assert read_baseline(tmp_path).step == 4


def test_there_may_be_none(tmp_path):
    assert read_baseline(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"step": 1, "values": {}, "groups": [{}]}'])
def test_damage_is_named(tmp_path, text):
    path = tmp_path / BASELINE_FILE
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(BaselineError, match=f"^{re.escape(str(path))} is not a baseline"):
        read_baseline(tmp_path)


def test_half_a_file_is_damage(tmp_path):
    write_baseline(tmp_path, BASELINE)
    path = tmp_path / BASELINE_FILE
    path.write_text(path.read_text()[:-20])
    with pytest.raises(BaselineError):
        read_baseline(tmp_path)
    assert path.exists()


def check(baseline, directory, groups):
    """Against what the groups were judged on now."""
    orders = [verdict.order for group in groups for verdict in group.verdicts]
    baseline.check(directory, [group.known for group in groups], orders)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (GROUPS[:1], "judgements of 2 held-out groups, the configuration now has 1"),
        (GROUPS[::-1], "judgements of pairs/a, where the configuration now has pairs/b"),
        (
            [judged([1, 2], *GROUPS[0].verdicts, responses=("x", "other")), GROUPS[1]],
            "judgements of pairs/a, where",
        ),
        (
            [judged([1, 2], verdict([1, 2], (1, 0)), verdict([1, 2])), GROUPS[1]],
            "or shows it in other orders",
        ),
    ],
)
def test_other_groups_are_refused_with_a_remedy(tmp_path, groups, message):
    with pytest.raises(BaselineError, match=message) as caught:
        check(BASELINE, tmp_path, groups)
    assert "or delete the file" in str(caught.value)


def test_the_same_groups_with_other_scores_are_accepted(tmp_path):
    write_baseline(tmp_path, BASELINE)
    now = [
        judged([1, 2], verdict([0, 0]), verdict([1, 2], (1, 0)), key="a"),
        judged([2, 1], verdict(None), verdict(None, (1, 0)), key="b"),
    ]
    check(read_baseline(tmp_path), tmp_path, now)
    assert json.loads((tmp_path / BASELINE_FILE).read_text())["groups"][0]["key"] == "a"
