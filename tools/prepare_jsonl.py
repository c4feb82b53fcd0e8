"""Turns public data sets into the JSONL that megatron_urpo reads (docs/data.md).

    python tools/prepare_jsonl.py gsm8k   train.jsonl            gsm8k.jsonl
    python tools/prepare_jsonl.py ranked  alpaca_eval.jsonl.gz   ranked.jsonl --split train
    python tools/prepare_jsonl.py prompts prompts.jsonl          instructions.jsonl

gsm8k    {"question", "answer": "... #### 42"}                             -> reasoning
ranked   {"instruction", "input"?, "answers": [{"answer", "rank"}, ...]}   -> preference
prompts  {"context_messages": [{"role", "content"}]} (prompt-collection)   -> instruction

Rank 1 is the best answer.

Input is JSONL, gzipped where the name ends in .gz, and is read line by line, so its size does not
matter. Every record is checked by the same code that reads it later. What cannot be used goes to
the rejects file (OUTPUT.rejects.jsonl) with its line and the reason, and is counted. The output
appears under its name only when it is whole.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from megatron_urpo.config import SourceConfig
from megatron_urpo.data.jsonl import DataError, parse_task
from megatron_urpo.types import TaskKind

ANSWER_REQUEST = "Reason step by step and put the final answer in \\boxed{}."
GSM8K_ANSWER_MARK = "####"


class RowError(ValueError):
    """A row that has no counterpart in our schema."""


@dataclass(slots=True)
class Counts:
    """What became of the rows."""

    written: int = 0
    other_split: int = 0
    rejected: int = 0


def gsm8k_record(row: dict[str, Any]) -> dict[str, Any]:
    """A problem, its answer without thousands commas."""
    _, mark, answer = _text(row, "answer").rpartition(GSM8K_ANSWER_MARK)
    answer = answer.strip().replace(",", "")
    if not mark or not answer:
        raise RowError(f"answer has nothing after {GSM8K_ANSWER_MARK!r}")
    return {"prompt": f"{_text(row, 'question')}\n{ANSWER_REQUEST}", "answers": [answer]}


def ranked_record(row: dict[str, Any]) -> dict[str, Any]:
    """An instruction, with its input where there is one, and N ranked answers."""
    answers = row.get("answers")
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        raise RowError("answers is not a list of objects")
    context = row.get("input") or ""
    if not isinstance(context, str):
        raise RowError("input is not a text")
    instruction = _text(row, "instruction")
    return {
        "prompt": f"{instruction}\n\n{context}" if context.strip() else instruction,
        "responses": [answer.get("answer") for answer in answers],
        "rank": [answer.get("rank") for answer in answers],
    }


def prompt_record(row: dict[str, Any]) -> dict[str, Any]:
    """A conversation that ends with a user turn."""
    turns = row.get("context_messages")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise RowError("context_messages is not a list of objects")
    return {
        "messages": [{"role": turn.get("role"), "content": turn.get("content")} for turn in turns]
    }


FORMATS: dict[str, tuple[TaskKind, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "gsm8k": (TaskKind.REASONING, gsm8k_record),
    "ranked": (TaskKind.PREFERENCE, ranked_record),
    "prompts": (TaskKind.INSTRUCTION, prompt_record),
}


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"{name} is not a text")
    return value


def convert(format_name: str, source: Path, output: Path, rejects: Path, split: str = "") -> Counts:
    """Converts a file; see the module's description.

    Args:
        split: keep only rows whose field "split" has this value; empty: all rows.

    Raises:
        OSError: a file cannot be read or written.
    """
    kind, to_record = FORMATS[format_name]
    target = SourceConfig(format_name, kind, str(output))
    counts = Counts()
    partial = output.with_name(output.name + ".partial")
    with (
        gzip.open(source) if source.name.endswith(".gz") else source.open("rb") as lines,
        partial.open("w", encoding="utf-8") as kept,
        rejects.open("w", encoding="utf-8") as bad,
    ):
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            place = f"{source}:{number}"
            try:
                row = _row(line)
                if split and row.get("split") != split:
                    counts.other_split += 1
                    continue
                record = {"kind": str(kind), "id": f"{source.name.split('.')[0]}-{number}"}
                record |= to_record(row)
                parse_task(record, target, place, default_key="")
            except (RowError, DataError) as error:
                reason = str(error).removeprefix(f"{place}: ")
                row_text = line.decode("utf-8", "replace").rstrip("\r\n")
                entry = {"line": number, "reason": reason, "row": row_text}
                bad.write(json.dumps(entry) + "\n")
                counts.rejected += 1
                continue
            kept.write(json.dumps(record, ensure_ascii=False) + "\n")
            counts.written += 1
    os.replace(partial, output)
    if not counts.rejected:
        rejects.unlink()
    return counts


def _row(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowError(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise RowError("not an object")
    return row


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--rejects", type=Path, help="default: OUTPUT.rejects.jsonl")
    parser.add_argument("--split", default="", help='keep rows whose field "split" is this')
    options = parser.parse_args(arguments)
    rejects = options.rejects or options.output.with_suffix(".rejects.jsonl")
    try:
        counts = convert(options.format, options.input, options.output, rejects, options.split)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{counts.written} records written to {options.output}")
    if counts.other_split:
        print(f"{counts.other_split} rows of other splits left out")
    if counts.rejected:
        print(f"{counts.rejected} rows rejected, listed with reasons in {rejects}")
    if not counts.written:
        print(f"nothing in {options.input} could be used", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
