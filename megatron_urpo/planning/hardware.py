"""What a plan assumes of the machine. Every number can be given; these are data-sheet values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from megatron_urpo.config import ConfigError

_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
}


@dataclass(frozen=True, slots=True)
class Hardware:
    """One rank's device and its links. Rates are per second, sizes in bytes."""

    memory: int
    # Of that, what no component counts: CUDA context, NCCL, fragmentation; on the CPU the
    # interpreter with torch, megatron and vllm loaded.
    reserve: int
    ranks_per_node: int = 8
    is_cpu: bool = False
    flops: float = 989e12  # dense bfloat16 (H100 SXM)
    fp8_flops: float | None = None  # None: twice flops
    efficiency: float = 0.4  # share of flops that training and prefill reach
    memory_bandwidth: float = 3.35e12
    bandwidth_efficiency: float = 0.6  # share of it that decoding reaches
    node_bandwidth: float = 450e9  # NVLink, one direction
    network_bandwidth: float = 50e9  # 400 Gbit/s a GPU

    @property
    def fp8_rate(self) -> float:
        """Operations a second of matrix products in FP8."""
        return 2 * self.flops if self.fp8_flops is None else self.fp8_flops


def gpu(memory: int, **changes: float) -> Hardware:
    """A GPU of the data sheet above with the given memory."""
    values: dict[str, float] = {"reserve": 4 << 30, "ranks_per_node": 8}
    return Hardware(memory=memory, **(values | changes))  # type: ignore[arg-type]


def cpu(memory: int, ranks: int) -> Hardware:
    """One rank's share of a machine without a GPU.

    Rates are those of two cores with AVX512-BF16, measured: matrix products and copies.
    """
    return Hardware(
        memory=memory // ranks,
        reserve=3 << 29,
        ranks_per_node=ranks,
        is_cpu=True,
        flops=0.95e12 / ranks,
        efficiency=0.3,
        memory_bandwidth=20e9 / ranks,
        node_bandwidth=2e9,
        network_bandwidth=2e9,
    )


def parse_size(text: str) -> int:
    """Bytes of "80GB", "79.6GiB" or a plain number. GB is 10^9 as on data sheets.

    Raises:
        ConfigError: not a size.
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", text)
    if match is None or match[2].upper() not in _UNITS or float(match[1]) == 0:
        raise ConfigError(f"{text!r} is not an amount of memory: write it as 80GB or 79.6GiB")
    return round(float(match[1]) * _UNITS[match[2].upper()])


def format_size(size: float) -> str:
    """Such as 12.3 GiB."""
    for unit in ("GiB", "MiB", "KiB"):
        if abs(size) >= _UNITS[unit.upper()]:
            return f"{size / _UNITS[unit.upper()]:.1f} {unit}"
    return f"{size:.0f} B"
