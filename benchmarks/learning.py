"""Does URPO learn? Held-out accuracy, the referee's tau, and what self-rewarding is worth.

python -m benchmarks.learning [--seeds 3] [--jobs 2] [--directory runs/learning]

With benchmarks/learning.toml, from the pretrained model:

    SFT            the supervised warm start, once

and from there, for every seed:

    URPO
    shuffled       URPO whose self-scores are permuted within each group: the control that keeps
                   everything but what the self-scores mean
    SFT continued  for as many packed tokens as URPO was trained on, on other demonstrations

All are evaluated on the same held-out items, by greedy decoding and by sampling at T = 1, which is
what is trained: a warm start's most likely answer can be good where most of its answers are not.
The comparisons are paired, item by item, with 95 % bootstrap intervals. Takes hours on two cores;
interrupted, it continues where it was. Several runs go side by side (--jobs), each with its share
of the cores and with 8 to 12 GB: a model this small does not keep two threads busy. The summary
goes to benchmarks/results/learning.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from megatron_urpo.config.load import load_config
from megatron_urpo.environment import environment_record
from megatron_urpo.evaluation.comparison import Difference, paired_difference
from megatron_urpo.evaluation.records import read_items, read_summaries
from megatron_urpo.metrics import read_metrics
from megatron_urpo.run_files import (
    CONFIG_FILE,
    EXPORT_DIRECTORY,
    METRICS_FILE,
    SFT_DIRECTORY,
)

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIG = REPOSITORY / "benchmarks" / "learning.toml"
RESULTS = REPOSITORY / "benchmarks" / "results" / "learning.json"
FIRST_SEED = 101
WARM_START = "SFT"
MODELS = (WARM_START, "URPO", "shuffled", "SFT continued")
TEMPERATURES = (0.0, 1.0)
# Metric, the model it should be better than.
COMPARISONS = (
    ("reasoning/accuracy", "URPO", "SFT"),
    ("reasoning/accuracy", "URPO", "SFT continued"),
    ("preference/tau", "URPO", "SFT"),
    ("preference/tau", "URPO", "SFT continued"),
    ("preference/parse_rate", "URPO", "SFT"),
    ("instruction/check_score", "URPO", "SFT"),
    ("instruction/check_score", "URPO", "shuffled"),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much better one model is than another, item by item."""

    metric: str
    better: str
    baseline: str
    seed: int
    temperature: float
    difference: Difference


@dataclass(frozen=True, slots=True)
class Runs:
    """Where the models are, and how many threads computes each."""

    directory: Path
    threads: int

    def model(self, label: str, seed: int) -> Path:
        """The run directory of a model; the warm start is every seed's."""
        if label == WARM_START:
            return self.directory / WARM_START
        return self.directory / f"seed_{seed}" / label.replace(" ", "_")

    @property
    def start(self) -> Path:
        return self.directory / WARM_START / SFT_DIRECTORY / EXPORT_DIRECTORY


def main() -> None:
    """Runs what is missing, then prints and writes the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="runs at one time")
    parser.add_argument("--directory", type=Path, default=Path("runs/learning"))
    arguments = parser.parse_args()
    cores = os.cpu_count() or 1
    runs = Runs(arguments.directory, max(1, cores // arguments.jobs))
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.seeds)
    warm_up(Runs(arguments.directory, cores))
    with ThreadPoolExecutor(arguments.jobs) as pool:
        jobs = [pool.submit(train_urpo, runs, seed) for seed in seeds]
        jobs += [pool.submit(train_shuffled, runs, seed) for seed in seeds]
        # Their lengths are URPO's, whose jobs were all begun before.
        jobs += [
            pool.submit(continue_supervised, runs, seed, after)
            for seed, after in zip(seeds, jobs, strict=False)
        ]
        for job in jobs:
            job.result()
    summarise(runs, seeds)


def warm_up(runs: Runs) -> None:
    """The pretrained model learns the formats."""
    train_and_evaluate(runs, WARM_START, "sft", FIRST_SEED)


def train_urpo(runs: Runs, seed: int) -> None:
    """URPO from the warm start."""
    train_and_evaluate(runs, "URPO", "train", seed, "--model.path", runs.start)


def train_shuffled(runs: Runs, seed: int) -> None:
    """The control of the self-scores."""
    train_and_evaluate(
        runs, "shuffled", "train", seed,
        "--model.path", runs.start, "--rewards.shuffle_self_scores", "true",
    )  # fmt: skip


def continue_supervised(runs: Runs, seed: int, after: Future[None]) -> None:
    """More demonstrations instead of URPO, once it is known how many tokens that was."""
    after.result()
    train_and_evaluate(
        runs, "SFT continued", "sft", seed,
        "--run.seed", seed + 1000,  # other demonstrations than those of the warm start
        "--model.path", runs.start,
        "--sft.steps", matching_steps(runs.model("URPO", seed)),
    )  # fmt: skip


def matching_steps(urpo: Path) -> int:
    """Supervised steps that process as many packed tokens as a URPO run did."""
    config = load_config(urpo / CONFIG_FILE)
    records = read_metrics(urpo / METRICS_FILE)
    packed = sum(record.values["batching/all/packed_tokens"] for record in records)
    return math.ceil(packed * config.training.epochs / config.sft.tokens_per_step)


def train_and_evaluate(runs: Runs, label: str, command: str, seed: int, *overrides: object) -> None:
    """One model; nothing where its evaluations are already there."""
    directory = runs.model(label, seed)
    missing = [
        t for t in TEMPERATURES if evaluation_label(label, t) not in read_summaries(directory)
    ]
    if not missing:
        return
    log = directory / "log.txt"
    print(f"{label}, seed {seed}: {log}", flush=True)
    common = ["--run.directory", directory, "--run.seed", seed]
    urpo(runs.threads, log, command, CONFIG, *common, *overrides)  # a later override wins
    export = (
        directory / SFT_DIRECTORY / EXPORT_DIRECTORY
        if command == "sft"
        else directory / EXPORT_DIRECTORY
    )
    for temperature in missing:
        urpo(
            runs.threads, log, "eval", CONFIG, "--label", evaluation_label(label, temperature),
            *common, "--model.path", export, "--evaluation.max_prompts_per_source", 0,
            "--evaluation.temperature", temperature,
        )  # fmt: skip


def evaluation_label(label: str, temperature: float) -> str:
    """What an evaluation of a model is recorded under."""
    return f"{label}, T = {temperature:g}" if temperature else label


def urpo(threads: int, log: Path, *arguments: object) -> None:
    """A command of the project, in a process of its own.

    Raises:
        CalledProcessError: it failed; the log says why.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as stream:
        subprocess.run(
            [sys.executable, "-m", "megatron_urpo.cli", *map(str, arguments)],
            cwd=REPOSITORY,
            check=True,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        )


def compare(
    runs: Runs, metric: str, better: str, baseline: str, seed: int, temperature: float
) -> Comparison:
    """The paired difference of one seed."""
    ours, theirs = (
        read_items(runs.model(label, seed), evaluation_label(label, temperature))
        for label in (better, baseline)
    )
    difference = paired_difference(metric, ours, theirs)
    if difference is None:
        raise ValueError(f"{better} and {baseline} of seed {seed} share no item with {metric}")
    return Comparison(metric, better, baseline, seed, temperature, difference)


def summarise(runs: Runs, seeds: range) -> None:
    """Prints both tables and writes them with the machine they were measured on."""
    means = {
        f"seed {seed}, T = {temperature:g}": {
            label: read_summaries(runs.model(label, seed))[evaluation_label(label, temperature)][
                "values"
            ]
            for label in MODELS
        }
        for seed in seeds
        for temperature in TEMPERATURES
    }
    comparisons = [
        compare(runs, metric, better, baseline, seed, temperature)
        for temperature in TEMPERATURES
        for metric, better, baseline in COMPARISONS
        for seed in seeds
    ]
    judgements = {f"seed {seed}": judgement_shares(runs.model("URPO", seed)) for seed in seeds}
    for title, models in means.items():
        print(f"\n{title:<36}" + "".join(f"{label:>15}" for label in models))
        for metric in models[WARM_START]:
            cells = "".join(f"{values[metric]:>15.3f}" for values in models.values())
            print(f"{metric:<36}{cells}")
    print()
    for c in comparisons:
        print(
            f"{c.metric:<26} {c.better} - {c.baseline:<14} seed {c.seed}, T = {c.temperature:g}: "
            f"{c.difference}"
        )
    print(f"\nself-rewarded groups with a usable, varied judgement: {judgements}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps(
            {
                "machine": describe_machine(),
                "command": " ".join(("python -m benchmarks.learning", *sys.argv[1:])),
                "environment": environment_record(),
                "means": means,
                "comparisons": [asdict(c) for c in comparisons],
                "judgements": judgements,
            },
            indent=1,
        )
        + "\n"
    )


def judgement_shares(directory: Path) -> dict[str, float]:
    """Mean share of usable, and of usable and varied, judgements over the steps of URPO."""
    records = read_metrics(directory / METRICS_FILE)
    return {
        name: float(
            np.mean(
                [
                    record.values[f"rewards/instruction/{name}"]
                    for record in records
                    if f"rewards/instruction/{name}" in record.values
                ]
            )
        )
        for name in ("usable_share", "varied_share", "checker_agreement")
    }


if __name__ == "__main__":
    main()
