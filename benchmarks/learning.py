"""Does URPO learn? Held-out accuracy, the referee's tau, and what self-rewarding is worth.

python -m benchmarks.learning [--seeds 3] [--directory runs/learning]

For every seed, from the same pretrained model and with benchmarks/learning.toml:

    SFT            the supervised warm start
    URPO           from there
    shuffled       URPO whose self-scores are permuted within each group: the control that keeps
                   everything but what the self-scores mean
    SFT continued  from the warm start, for as many packed tokens as URPO was trained on

All four are evaluated on the same held-out items. The comparisons are paired, item by item, with
95 % bootstrap intervals. Takes hours on two cores; interrupted, it continues where it was.
The summary goes to benchmarks/results/learning.json.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from megatron_urpo.environment import environment_record
from megatron_urpo.evaluation.comparison import Difference, paired_difference
from megatron_urpo.evaluation.records import read_items, read_summaries
from megatron_urpo.load_config import load_config
from megatron_urpo.metrics import read_metrics

REPOSITORY = Path(__file__).resolve().parents[1]
CONFIG = REPOSITORY / "benchmarks" / "learning.toml"
RESULTS = REPOSITORY / "benchmarks" / "results" / "learning.json"
FIRST_SEED = 101
MODELS = ("SFT", "URPO", "shuffled", "SFT continued")
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
    difference: Difference


def main() -> None:
    """Runs what is missing, then prints and writes the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--directory", type=Path, default=Path("runs/learning"))
    arguments = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.seeds)
    for seed in seeds:
        run_seed(arguments.directory / f"seed_{seed}", seed)
    summarise(arguments.directory, seeds)


def run_seed(directory: Path, seed: int) -> None:
    """All four models of a seed."""
    sft, urpo, shuffled, continued = (directory / name.replace(" ", "_") for name in MODELS)
    start = sft / "sft" / "export"
    train_and_evaluate(sft, "SFT", "sft", seed)
    train_and_evaluate(urpo, "URPO", "train", seed, "--model.path", start)
    train_and_evaluate(
        shuffled, "shuffled", "train", seed,
        "--model.path", start, "--rewards.shuffle_self_scores", "true",
    )  # fmt: skip
    train_and_evaluate(
        continued, "SFT continued", "sft", seed,
        "--run.seed", seed + 1000,  # other demonstrations than those of the warm start
        "--model.path", start, "--sft.steps", str(matching_steps(urpo)),
    )  # fmt: skip


def matching_steps(urpo: Path) -> int:
    """Supervised steps that process as many packed tokens as a URPO run did."""
    config = load_config(urpo / "config.toml")
    records = read_metrics(urpo / "metrics.jsonl")
    packed = sum(record.values["batching/all/packed_tokens"] for record in records)
    return math.ceil(packed * config.training.epochs / config.sft.tokens_per_step)


def train_and_evaluate(
    directory: Path, label: str, command: str, seed: int, *overrides: object
) -> None:
    """One model of one seed; nothing where its evaluation is already there."""
    if label in read_summaries(directory):
        return
    print(f"\n== {label}, seed {seed}: {directory}", flush=True)
    common = ["--run.directory", directory, "--run.seed", seed]
    urpo(command, CONFIG, *common, *overrides)  # a later override wins
    export = directory / "sft" / "export" if command == "sft" else directory / "export"
    urpo(
        "eval", CONFIG, "--label", label, *common,
        "--model.path", export, "--evaluation.max_prompts_per_source", 0,
    )  # fmt: skip


def urpo(*arguments: object) -> None:
    """A command of the project, in a process of its own."""
    subprocess.run(
        [sys.executable, "-m", "megatron_urpo.cli", *map(str, arguments)],
        cwd=REPOSITORY,
        check=True,
    )


def compare(directory: Path, metric: str, better: str, baseline: str, seed: int) -> Comparison:
    """The paired difference of one seed."""
    ours, theirs = (
        read_items(directory / f"seed_{seed}" / label.replace(" ", "_"), label)
        for label in (better, baseline)
    )
    difference = paired_difference(metric, ours, theirs)
    if difference is None:
        raise ValueError(f"{better} and {baseline} of seed {seed} share no item with {metric}")
    return Comparison(metric, better, baseline, seed, difference)


def summarise(directory: Path, seeds: range) -> None:
    """Prints both tables and writes them with the machine they were measured on."""
    means = {
        f"seed {seed}": {
            label: read_summaries(directory / f"seed_{seed}" / label.replace(" ", "_"))[label][
                "values"
            ]
            for label in MODELS
        }
        for seed in seeds
    }
    comparisons = [
        compare(directory, metric, better, baseline, seed)
        for metric, better, baseline in COMPARISONS
        for seed in seeds
    ]
    judgements = {f"seed {seed}": judgement_shares(directory / f"seed_{seed}") for seed in seeds}
    for seed, models in means.items():
        print(f"\n{seed:<28}" + "".join(f"{label:>15}" for label in models))
        for metric in models["SFT"]:
            cells = "".join(f"{values[metric]:>15.3f}" for values in models.values())
            print(f"{metric:<28}{cells}")
    print()
    for c in comparisons:
        print(f"{c.metric:<26} {c.better} - {c.baseline:<14} seed {c.seed}: {c.difference}")
    print(f"\nself-rewarded groups with a usable, varied judgement: {judgements}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps(
            {
                "machine": describe_machine(),
                "command": sys.argv,
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
    records = read_metrics(directory / "URPO" / "metrics.jsonl")
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
