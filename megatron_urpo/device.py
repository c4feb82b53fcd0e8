"""What decides on a GPU which kernels can run: hardware and library versions.

Kept apart from training/platform.py, which reads them, so that what follows from them can be
computed without torch: by `urpo doctor`, and in tests of machines that are not at hand.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """Of the device of this process. (major, minor) each; None where there is no such thing."""

    compute_capability: tuple[int, int] | None = None  # (9, 0) is Hopper, (10, 0) Blackwell
    cuda_version: tuple[int, int] | None = None  # that torch was built for
    transformer_engine: tuple[int, int] | None = None  # installed release
