"""NCSOFT/offsetbias: {"instruction", "output_1", "output_2", "label": 1 or 2}."""

from __future__ import annotations

from megatron_urpo.data.adapters.rows import Record, Row, choice, response, text


def offsetbias_record(row: Row) -> Record:
    """An instruction and two outputs; the label is the number of the better one."""
    better = choice(row, "label", (1, 2))
    return {
        "prompt": text(row, "instruction"),
        "responses": [response(row, "output_1"), response(row, "output_2")],
        "truth": [int(better == 1), int(better == 2)],
    }
