"""Pressure as the kernel shows it."""

import io

import pytest

from megatron_urpo.rewards.sandbox import pressure


def show(monkeypatch, shares):
    def open_file(path, mode):
        resource = path.rsplit("/", 1)[1]
        if resource not in shares:
            raise FileNotFoundError(path)
        line = "{} avg10={} avg60=0.00 avg300=0.00 total=5\n"
        some, full = line.format("some", shares[resource]), line.format("full", "90.00")
        return io.BytesIO((some + full).encode())

    monkeypatch.setattr(pressure, "open", open_file, raising=False)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"cpu": "0.50", "io": "0.00"}, False),
        ({"cpu": "50.00", "io": "0.00"}, True),
        ({"cpu": "0.00", "io": "10.00"}, True),
        ({"io": "0.00"}, False),
        ({}, True),
    ],
)
def test_any_of_the_resources(monkeypatch, shares, expected):
    show(monkeypatch, shares)
    assert pressure.is_under_pressure("cpu", "io") is expected


def test_only_those_asked_for(monkeypatch):
    show(monkeypatch, {"cpu": "50.00", "io": "0.00"})
    assert not pressure.is_under_pressure("io")


def test_this_kernel():
    assert pressure.is_under_pressure("cpu") in (True, False)
