"""How fast and in how much memory tools/prepare_data.py prepares rows, up to a million.

    python -m benchmarks.data_preparation --rows 1000000

Four phases, each in a process of its own, so that its peak memory is its own:

tokenizer    the floor: every text of some rows through the tokenizer once
prepare      a file of generated rows (a question and ranked answers, one in ten a near copy of the
             row before) with every filter on. Reading needs the same memory for any number of rows
duplicates   the one part whose memory grows with the rows, for a million of them
read         opening what was prepared and drawing ten batches of 256, as a run does
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from random import Random

from benchmarks.machine import describe_machine

RESULTS = Path(__file__).parent / "results" / "data_preparation.json"
MODEL = ".cache/models/SmolLM2-135M-Instruct"
PHASES = ("tokenizer", "prepare", "duplicates", "read")
COPY_EVERY = 10
VOCABULARY = 20_000


def write_rows(path: Path, rows: int, responses: int) -> None:
    """Questions with ranked answers, of pronounceable words."""
    random = Random(1)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er")]
    words = ["".join(random.choices(syllables, k=random.randint(1, 4))) for _ in range(VOCABULARY)]
    with path.open("w", encoding="utf-8") as file:
        earlier = ""
        for number in range(rows):
            question = " ".join(random.choices(words, k=40))
            answers = [
                {"answer": " ".join(random.choices(words, k=60)), "rank": rank}
                for rank in range(1, responses + 1)
            ]
            if number % COPY_EVERY == COPY_EVERY - 1:
                row = json.loads(earlier)
                row["instruction"] += " indeed"
            else:
                row = {"instruction": question, "answers": answers}
            earlier = json.dumps(row)
            file.write(earlier + "\n")


def run_phase(*arguments: object) -> dict[str, float]:
    """A phase in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, "-m", "benchmarks.data_preparation", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def prepare_phase(rows: Path, directory: Path) -> dict[str, float]:
    from megatron_urpo.config import ModelConfig
    from megatron_urpo.console import say
    from megatron_urpo.data.preparation.prepare import prepare
    from megatron_urpo.data.preparation.settings import (
        FiltersConfig,
        PreparationConfig,
        RawSourceConfig,
    )

    evaluation = directory / "evaluation.jsonl"
    write_evaluation_set(evaluation)
    config = PreparationConfig(
        directory=str(directory / "out"),
        model=ModelConfig(path=MODEL),
        filters=FiltersConfig(languages=tuple(all_languages())),
        evaluation_sets=(str(evaluation),),
        sources=(RawSourceConfig("rows", "ranked", str(rows)),),
    )
    begin, begin_cpu = time.monotonic(), time.process_time()
    (manifest,) = prepare(config, say)
    return {
        "seconds": time.monotonic() - begin,
        "cpu_seconds": time.process_time() - begin_cpu,
        "rows": manifest.rows_read,
        "kept": manifest.rows_written,
        "output_mib": manifest.output.bytes / 2**20,
    }


def all_languages() -> list[str]:
    """The generated words are of no language: the filter works, and keeps everything."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return list(LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True).labels)


def write_evaluation_set(path: Path) -> None:
    """About as many questions as the seven sets of the paper have together."""
    random = Random(2)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(6000):
            words = [f"eval{random.randrange(5000)}" for _ in range(40)]
            file.write(json.dumps({"question": " ".join(words)}) + "\n")


def read_phase(directory: Path) -> dict[str, float]:
    from megatron_urpo.config import DataConfig, SourceConfig
    from megatron_urpo.data.mixture import Mixture
    from megatron_urpo.data.sources import load_source
    from megatron_urpo.types import TaskKind

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begin = time.monotonic()
    path = str(directory / "out" / "rows.arrow")
    source = load_source(SourceConfig("rows", TaskKind.PREFERENCE, path), "train", 0)
    opened = time.monotonic()
    config = DataConfig(prompts_per_step=256, reasoning_ratio=0, instruction_ratio=0)
    mixture = Mixture(config, [source], seed=1)
    for step in range(10):
        mixture.next_batch(step)
    return {
        "open_seconds": opened - begin,
        "ten_batches_seconds": time.monotonic() - opened,
        "imports_mib": before,
    }


def tokenizer_phase(rows: Path, count: int) -> dict[str, float]:
    """The floor: each text through the tokenizer once, as the length filters need it."""
    from megatron_urpo.config import ModelConfig
    from megatron_urpo.data.prompts import load_encoder

    encoder = load_encoder(ModelConfig(path=MODEL))
    texts = []
    with rows.open(encoding="utf-8") as file:
        for line in islice(file, count):
            row = json.loads(line)
            texts += [row["instruction"], *(answer["answer"] for answer in row["answers"])]
    started = time.process_time()
    for text in texts:
        encoder.encode_target(text)
    return {"cpu_seconds": time.process_time() - started, "rows": count}


def duplicates_phase(directory: Path, count: int) -> dict[str, float]:
    """Fingerprints of `count` rows, one in ten a near copy of an earlier one."""
    import numpy as np

    from megatron_urpo.data.preparation.duplicates import (
        NUM_VALUES,
        exact_duplicates,
        near_duplicates,
    )

    random = np.random.default_rng(3)
    shape = (count, NUM_VALUES)
    signatures = np.memmap(directory / "signatures", np.uint32, "w+", shape=shape)
    for begin in range(0, count, 10_000):
        block = random.integers(0, 2**32, (min(10_000, count - begin), NUM_VALUES), np.uint32)
        copies = np.arange(COPY_EVERY - 1, len(block), COPY_EVERY)
        block[copies, 12:] = block[copies - 1, 12:]
        signatures[begin : begin + len(block)] = block
    contents = random.integers(0, 2**63, (count, 2), np.uint64)
    started = time.process_time()
    exact_duplicates(contents)
    near, _ = near_duplicates(signatures, np.zeros(count, dtype=np.uint64), 0.8)
    return {
        "cpu_seconds": time.process_time() - started,
        "rows": count,
        "found": int(np.count_nonzero(near >= 0)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--responses", type=int, default=2)
    parser.add_argument("--directory", type=Path, help="default: a temporary one")
    parser.add_argument(
        "--phase", choices=("tokenizer", "prepare", "duplicates", "read"), help="used inside"
    )
    options = parser.parse_args()
    if options.phase:
        rows = options.directory / "rows.jsonl"
        phases = {
            "prepare": lambda: prepare_phase(rows, options.directory),
            "read": lambda: read_phase(options.directory),
            "duplicates": lambda: duplicates_phase(options.directory, 1_000_000),
            "tokenizer": lambda: tokenizer_phase(rows, 5000),
        }
        values = phases[options.phase]()
        values["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(values))
        return
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        write_rows(directory / "rows.jsonl", options.rows, options.responses)
        result = {
            "machine": describe_machine(),
            "rows": options.rows,
            "input_mib": (directory / "rows.jsonl").stat().st_size / 2**20,
            **{phase: run_phase("--phase", phase, "--directory", directory) for phase in PHASES},
        }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
