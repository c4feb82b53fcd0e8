"""The verifier of answers beside math-verify: right and wrong verdicts, and pairs a second.

    python -m benchmarks.answers [CASES.jsonl ...] [--data DIRECTORY] [--results FILE]

CASES are lines of {"gold": text or list, "label": 0 or 1} with a "response", or a "pred" that is an
answer without a response. DIRECTORY (by default URPO_TEST_DATA) holds the public sets of
docs/data.md. It shows

- for each file of cases, and for the golds of the public sets rewritten (to be accepted) and
  changed a little (to be refused): accuracy, false positives, false negatives and the share that
  is decided without the library, of this verifier and of math-verify alone;
- pairs a second of both in one thread, the library's calls within the time they may take included;
- the seconds of a batch of 2,048 responses of 16 KB, which is about 4,096 tokens.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

from benchmarks.answer_variants import perturbed, rewritten
from benchmarks.machine import describe_machine
from megatron_urpo import _core
from megatron_urpo.rewards import math_answer
from megatron_urpo.types import VerifierStatus

RESULTS = Path(__file__).resolve().parent / "results" / "answers.json"
GOLD_FIELDS = {
    "math500": "answer",
    "math_train_2000": "answer",
    "gsm8k_test_500": "answer",
    "aime24": "reward_model",
    "aime25": "reward_model",
    "hmmt_feb_2024": "expected_answer",
    "hmmt_feb_2025": "expected_answer",
    "hmmt_other_2024_2025": "expected_answer",
}
BATCH, RESPONSE_CHARS = 2048, 16_384
SHOWN_TO_THE_LIBRARY = 300  # of each public set: it reads a few hundred a second

logging.getLogger("math_verify").setLevel(logging.CRITICAL)
logging.getLogger("latex2sympy2_extended").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Case:
    response: str
    golds: tuple[str, ...]
    label: bool


@dataclass(frozen=True, slots=True)
class Score:
    """Of one verifier on one list of cases."""

    cases: int
    accuracy: float
    false_positives: int
    false_negatives: int
    pairs_per_second: float
    decided: float  # the share without the library


def read_cases(path: Path) -> list[Case]:
    cases = []
    for line in path.read_text().splitlines():
        record = json.loads(line)
        golds = record["gold"] if isinstance(record["gold"], list) else [record["gold"]]
        response = record.get("response") or _boxed(record["pred"])
        cases.append(Case(response, tuple(golds), bool(record["label"])))
    return cases


def read_golds(directory: Path, name: str) -> list[str]:
    golds = []
    for line in (directory / f"{name}.jsonl").read_text().splitlines():
        value = json.loads(line)[GOLD_FIELDS[name]]
        gold = value["ground_truth"] if isinstance(value, dict) else str(value)
        golds.append(gold.split("####")[-1].strip())
    return golds


def score_ours(cases: Sequence[Case]) -> Score:
    """Engine and library; the time of both, the library's worker started before."""
    math_answer.verify(_boxed("\\int x"), "\\int x + 0")
    verdicts, decided = [], 0
    start = time.perf_counter()
    for case in cases:
        verification = math_answer.begin_verification(case.response, case.golds)
        decided += verification.status is not None
        verdicts.append(verification.outcome().status is VerifierStatus.CORRECT)
    return _score(cases, verdicts, time.perf_counter() - start, decided / len(cases))


def score_library(cases: Sequence[Case]) -> Score:
    start = time.perf_counter()
    verdicts = [_library_accepts(case) for case in cases]
    return _score(cases, verdicts, time.perf_counter() - start, 0.0)


def engine_pairs_per_second(cases: Sequence[Case]) -> float:
    """Of the engine alone, one call of Python a pair."""
    pairs = [(case.response, list(case.golds)) for case in cases]
    rounds, start = 0, time.perf_counter()
    while time.perf_counter() - start < 1.0:
        for response, golds in pairs:
            _core.judge_answer(response, golds)
        rounds += 1
    return rounds * len(pairs) / (time.perf_counter() - start)


def batch_seconds(golds: Sequence[str], threads: int) -> float:
    """The best of five, for responses of many short lines with an answer at the end."""
    rng = random.Random(0)
    line = "Then we compute $\\frac{{{}}}{{{}}} + x^{{{}}}$, which is not the answer yet.\n"
    responses = []
    for _ in range(BATCH):
        lines = [line.format(*(rng.randrange(1000) for _ in range(3))) for _ in range(300)]
        text = "".join(lines)[:RESPONSE_CHARS]
        responses.append(f"{text}\n{_boxed(rng.choice(golds))}")
    accepted = [[rng.choice(golds)] for _ in responses]
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        _core.judge_answers(responses, accepted, threads)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def neighbours(golds: Sequence[str]) -> Iterator[Case]:
    """Golds in other notations, and what is near to them; `\\approx` says two values of its own."""
    for gold in dict.fromkeys(golds):
        if "approx" in gold:
            continue
        for variant in rewritten(gold):
            yield Case(_boxed(variant), (gold,), True)
        for variant in perturbed(gold):
            yield Case(_boxed(variant), (gold,), False)


def _boxed(answer: str) -> str:
    return f"The answer is \\boxed{{{answer}}}."


def _library_accepts(case: Case) -> bool:
    config = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]
    answer = parse(case.response, config)
    return any(verify(parse(_as_formula(gold), config), answer) for gold in case.golds)


def _as_formula(gold: str) -> str:
    return gold if "$" in gold or "\\boxed" in gold else f"\\boxed{{{gold}}}"


def _score(cases: Sequence[Case], verdicts: list[bool], seconds: float, decided: float) -> Score:
    wrong = [
        verdict for case, verdict in zip(cases, verdicts, strict=True) if verdict is not case.label
    ]
    return Score(
        cases=len(cases),
        accuracy=1 - len(wrong) / len(cases),
        false_positives=sum(wrong),
        false_negatives=len(wrong) - sum(wrong),
        pairs_per_second=len(cases) / seconds,
        decided=decided,
    )


def _show(name: str, ours: Score, library: Score | None) -> dict[str, Any]:
    for verifier, score in (("ours", ours), ("math-verify", library)):
        if score is not None:
            print(
                f"{name:28} {verifier:12} {score.cases:6} cases  {score.accuracy:7.2%}"
                f"  FP {score.false_positives:4}  FN {score.false_negatives:4}"
                f"  {score.pairs_per_second:9.0f} pairs/s  decided {score.decided:6.1%}",
                flush=True,
            )
    return {"name": name, "ours": asdict(ours), "library": library and asdict(library)}


def _measure_cases(files: Sequence[Path], directory: Path | None) -> list[dict[str, Any]]:
    shown = []
    for file in files:
        cases = read_cases(file)
        shown.append(_show(file.stem, score_ours(cases), score_library(cases)))
    if directory is None:
        return shown
    everything: list[str] = []
    for name in GOLD_FIELDS:
        golds = read_golds(directory, name)
        everything += golds
        cases = [Case(_boxed(gold), (gold,), True) for gold in golds]
        shown.append(_show(f"{name}, itself", score_ours(cases), score_library(_sample(cases))))
    cases = list(neighbours(everything))
    shown.append(_show("their neighbours", score_ours(cases), score_library(_sample(cases))))
    return shown


def _sample(cases: list[Case]) -> list[Case]:
    return random.Random(0).sample(cases, min(len(cases), SHOWN_TO_THE_LIBRARY))


def _measure_speed(directory: Path) -> dict[str, Any]:
    rng = random.Random(0)
    golds = read_golds(directory, "math500")
    rewritings = [(rng.choice(list(rewritten(gold))), gold) for gold in golds]
    integers = [str(rng.randrange(-(10**6), 10**6)) for _ in range(500)]
    pairs = {
        "MATH-500 against each other": [
            Case(_boxed(answer), (gold,), answer == gold)
            for answer, gold in zip(golds, golds[1:] + golds[:1], strict=True)
        ],
        "MATH-500 rewritten": [Case(_boxed(answer), (gold,), True) for answer, gold in rewritings],
        "integers": [
            Case(_boxed(answer), (gold,), answer == gold)
            for answer, gold in zip(integers, integers[1:] + integers[:1], strict=True)
        ],
    }
    measured: dict[str, dict[str, float] | float] = {}
    for name, cases in pairs.items():
        ours = engine_pairs_per_second(cases)
        undecided = sum(_core.judge_answer(c.response, list(c.golds))[1] == 2 for c in cases)
        library = score_library(_sample(cases)).pairs_per_second
        measured[name] = {
            "ours": ours,
            "library": library,
            "ratio": ours / library,
            "decided": 1 - undecided / len(cases),
        }
        print(
            f"{name:28} {ours:9.0f} pairs/s, math-verify {library:6.0f}: {ours / library:6.0f} "
            f"times, {1 - undecided / len(cases):.1%} decided",
            flush=True,
        )
    for threads in (1, 2):
        measured[f"batch, {threads} threads, seconds"] = batch_seconds(golds, threads)
        print(
            f"{BATCH} responses of {RESPONSE_CHARS} characters, {threads} threads: "
            f"{measured[f'batch, {threads} threads, seconds']:.3f} s"
        )
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("URPO_TEST_DATA"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    directory = Path(arguments.data) if arguments.data else None
    results: dict[str, Any] = {
        "machine": describe_machine(),
        "math-verify": importlib.metadata.version("math-verify"),
        "verdicts": _measure_cases(arguments.cases, directory),
    }
    if directory is not None:
        results["speed"] = _measure_speed(directory)
    arguments.results.parent.mkdir(exist_ok=True)
    arguments.results.write_text(json.dumps(results, indent=1) + "\n")
    print(f"raw numbers: {arguments.results}")


if __name__ == "__main__":
    main()
