"""The commands on a whole run, as a user calls them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from megatron_urpo.cli import main
from megatron_urpo.config.load import load_config
from megatron_urpo.evaluation.items import Evaluation
from megatron_urpo.evaluation.records import read_summaries, record_evaluation
from megatron_urpo.metrics import read_metrics
from megatron_urpo.rollout_log import RolloutLog
from megatron_urpo.types import TaskKind
from tests.end_to_end.conftest import REPOSITORY, TINY_CONFIG, run_urpo
from tests.metrics_page import is_explained
from tools.unpack_smollm2 import unpack


def test_run_directory_holds_what_other_tools_read(complete_run, warm_model):
    config = load_config(complete_run / "config.toml")
    assert config.model.path == str(warm_model)
    assert json.loads((complete_run / "environment.json").read_text())["torch"].startswith("2.")
    records = read_metrics(complete_run / "metrics.jsonl")
    assert [record.step for record in records] == [1, 2, 3, 4]
    assert [record.values["data/all/phase"] for record in records] == [1, 2, 2, 2]
    assert sorted(p.name for p in (complete_run / "checkpoints").iterdir()) == [
        "step_000002",
        "step_000004",
    ]


def assert_stages_are_timed(directory, *more):
    """Every stage is timed, those of `more` in the last step, and the whole holds its parts."""
    records = read_metrics(directory / "metrics.jsonl")
    stages = {"data", "rollout", "rewards", "advantages", "batching", "training", "weight_sync"}
    for record in records:
        seconds = {n: v for n, v in record.values.items() if n.endswith("/all/seconds")}
        wanted = stages | set(more if record is records[-1] else ())
        assert {f"{stage}/all/seconds" for stage in wanted} <= seconds.keys()
        assert seconds.pop("run/all/seconds") > sum(seconds.values())


def test_a_step_holds_its_stages(complete_run):
    assert_stages_are_timed(complete_run)


def test_batches_have_the_ratio_of_the_config(complete_run):
    log = RolloutLog(complete_run)
    kinds = [[group.kind for group in log.read(step)] for step in range(1, 5)]
    assert [kinds[0].count(kind) for kind in TaskKind] == [3, 3, 0]
    assert [kinds[1].count(kind) for kind in TaskKind] == [2, 2, 2]


def test_versions_rise_with_every_step(complete_run):
    log = RolloutLog(complete_run)
    for step in log.steps():
        versions = {
            response.policy_version
            for group in log.read(step)
            for response in group.rollout.responses
        }
        assert versions == {step}


def test_engine_and_trainer_agree_in_fp32(complete_run):
    for record in read_metrics(complete_run / "metrics.jsonl"):
        assert record.values["weight_sync/all/mismatch_mean"] < 1e-4


def test_export_of_a_checkpoint_equals_the_export_of_the_run(complete_run, tmp_path):
    config, step = complete_run / "config.toml", load_config(complete_run / "config.toml").run.steps
    run_urpo("export", config, "--step", step, "--output", tmp_path / "export")
    exported = load_file(tmp_path / "export" / "model.safetensors")
    expected = load_file(complete_run / "export" / "model.safetensors")
    assert exported.keys() == expected.keys()
    assert all(exported[name].equal(expected[name]) for name in expected)


def test_a_warm_start_s_checkpoint_is_exported_too(warm_model, tmp_path):
    config = warm_model.parent / "config.toml"
    directory = ("--run.directory", warm_model.parent)
    run_urpo("export", config, *directory, "--output", tmp_path / "export")
    written, expected = (
        {file.name: file.read_bytes() for file in export.iterdir()}
        for export in (tmp_path / "export", warm_model)
    )
    assert written == expected


def test_exported_model_is_what_sampled_the_last_step_but_one(complete_run, warm_model):
    """Training moved the weights, and transformers reads them."""
    trained = AutoModelForCausalLM.from_pretrained(complete_run / "export", dtype=torch.float32)
    before = AutoModelForCausalLM.from_pretrained(warm_model, dtype=torch.float32)
    moved = [
        (after - start).abs().max().item()
        for after, start in zip(trained.parameters(), before.parameters(), strict=True)
    ]
    assert min(moved) > 0
    tokenizer = AutoTokenizer.from_pretrained(complete_run / "export")
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Compute 3 + 4."}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    assert trained.generate(**ids, max_new_tokens=4, do_sample=False).shape[1] > 0


def test_eval_and_report(complete_run, tmp_path):
    directory = shutil.copytree(complete_run, tmp_path / "run")
    result = run_urpo(
        "eval", complete_run / "config.toml", "--label", "tiny", "--step", "4",
        "--run.directory", directory, "--model.path", complete_run / "export",
    )  # fmt: skip
    assert "preference/tau" in result.stdout
    (line,) = (directory / "evaluations.jsonl").read_text().splitlines()
    summary = json.loads(line)
    assert summary["label"] == "tiny"
    items = [
        json.loads(item)
        for item in (directory / "evaluations" / "tiny.jsonl").read_text().splitlines()
    ]
    assert len(items) == 24
    taus = [item["values"]["preference/tau"] for item in items if item["source"].startswith("rank")]
    assert summary["values"]["preference/tau"] == pytest.approx(sum(taus) / 8)
    run_urpo("report", directory)
    assert "<svg" in (directory / "report.html").read_text()


def test_weights_that_are_cut_off_are_found_before_an_engine_starts(warm_model, tmp_path, capsys):
    model = tmp_path / "model"
    shutil.copytree(warm_model, model)
    weights = model / "model.safetensors"
    os.truncate(weights, weights.stat().st_size - 1)
    arguments = ["--label", "x", "--model.path", model, "--run.directory", tmp_path / "run"]
    assert main([str(part) for part in ("eval", TINY_CONFIG, *arguments)]) == 2
    assert f"urpo eval: {weights} is damaged or cut off" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_finished_run_has_nothing_left_to_do(complete_run, tmp_path):
    directory = shutil.copytree(complete_run, tmp_path / "run")
    run_urpo("train", complete_run / "config.toml", "--run.directory", directory)
    for name in ("metrics.jsonl", "export/model.safetensors"):
        assert (directory / name).read_bytes() == (complete_run / name).read_bytes()


def test_evaluations_after_the_step_that_a_run_resumes_from_go(complete_run, tmp_path):
    shutil.copytree(complete_run, tmp_path / "run")
    directory = tmp_path / "run"
    for label, step, in_run in (("step 4", 4, True), ("step 6", 6, True), ("asked for", 9, False)):
        evaluation = Evaluation(label, step, step + 1, {"reasoning/accuracy": 0.5})
        record_evaluation(directory, evaluation, in_run=in_run)
    kept = [label for label in read_summaries(directory) if label != "step 6"]
    run_urpo(
        "train", complete_run / "config.toml", "--run.directory", directory,
        "--run.steps", 5, "--evaluation.every", 1, "--metrics.rollout_every", 2,
    )  # fmt: skip
    summaries = read_summaries(directory)
    assert list(summaries) == [*kept, "step 5"]
    assert summaries["step 5"]["in_run"] is True
    records = read_metrics(directory / "metrics.jsonl")
    assert [r.step for r in records if "evaluation/preference/tau" in r.values] == [5]
    assert RolloutLog(directory).steps() == [1, 2, 3, 4]  # 5 is no multiple of 2
    assert_stages_are_timed(directory, "evaluation")


def test_interrupt_saves_and_ends_cleanly(warm_model, tmp_path):
    process = subprocess.Popen(
        [
            sys.executable, "-m", "megatron_urpo.cli", "train", str(TINY_CONFIG),
            "--model.path", str(warm_model), "--run.directory", str(tmp_path),
            "--run.steps", "1000", "--checkpoint.every", "0",
        ],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 180
    while (
        not (tmp_path / "metrics.jsonl").is_file() or not (tmp_path / "metrics.jsonl").read_text()
    ):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "SIGINT: saving after this step" in stderr
    assert "Traceback" not in stderr
    steps = len(read_metrics(tmp_path / "metrics.jsonl"))
    (checkpoint,) = (tmp_path / "checkpoints").iterdir()
    assert checkpoint.name == f"step_{steps:06d}"


def test_a_signal_before_the_first_step_ends_cleanly_too(warm_model, tmp_path):
    """Slurm's, as a rank gets it that is still starting: blocked by the launcher."""
    process = subprocess.Popen(
        [
            sys.executable, "-m", "megatron_urpo.cli", "train", str(TINY_CONFIG),
            "--model.path", str(warm_model), "--run.directory", str(tmp_path),
        ],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}),
    )  # fmt: skip
    process.send_signal(signal.SIGUSR1)
    _, stderr = process.communicate(timeout=180)
    assert process.returncode == 130
    assert "SIGUSR1: stopping before the first step: there is nothing to save" in stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--training.learning_rate", "1"], "unknown key"),
        (["--model.path", "nowhere"], "nowhere"),
        (["--batching.mini_batches", "7"], "a mini-batch needs at least one group"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message, tmp_path):
    result = run_urpo("train", TINY_CONFIG, "--run.directory", tmp_path, *arguments, check=False)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weight_sync.max_mismatch", "1e-9"], "engine and trainer log-probs differ by"),
        (
            # The first of a mini-batch's four updates puts the weights out of range.
            [
                "--training.optimizer.lr",
                "1e30",
                "--training.max_skipped_updates",
                "1",
                "--training.epochs",
                "4",
                "--metrics.rollout_every",
                "0",
            ],
            "2 updates in a row had a gradient norm of",
        ),
    ],
)
def test_what_stops_a_run_is_one_clear_line(arguments, message, warm_model, tmp_path):
    result = run_urpo(
        "train", TINY_CONFIG, "--model.path", warm_model, "--run.directory", tmp_path,
        *arguments, check=False,
    )  # fmt: skip
    assert result.returncode == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("urpo train: ")]
    assert message in line
    assert all(Path(file).is_file() for file in re.findall(r"\S+\.jsonl", line))
    assert "Traceback" not in result.stderr


def test_context_too_small_for_the_referee_is_refused_at_the_start(warm_model, tmp_path):
    result = run_urpo(
        "train", TINY_CONFIG, "--model.path", warm_model, "--run.directory", tmp_path / "run",
        "--rollout.group_size", 32, check=False,
    )  # fmt: skip
    assert result.returncode == 2
    assert "leaves 568 tokens for the judge prompt of rollout.group_size = 32" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_cache_too_small_for_the_engine_is_one_clear_line(warm_model, tmp_path):
    result = run_urpo(
        "eval", TINY_CONFIG, "--model.path", warm_model, "--run.directory", tmp_path / "run",
        "--label", "x", "--rollout.kv_cache_gib", "0.0001", check=False,
    )  # fmt: skip
    assert result.returncode == 2
    assert "urpo eval: vLLM does not start with rollout.kv_cache_gib = 0.0001, max_model_len" in (
        result.stderr
    )
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "command", [("eval", TINY_CONFIG, "--label", "x", "--model.path"), ("probe",)]
)
def test_an_engine_of_several_ranks_names_the_command_to_type(command, capsys, monkeypatch):
    arguments = [*command, unpack(), "--rollout.tensor_model_parallel_size", 2]
    monkeypatch.setattr(sys, "argv", ["urpo", *map(str, arguments)])
    assert main() == 2
    error = capsys.readouterr().err
    assert (
        "1 ranks cannot be divided into engines of rollout.tensor_model_parallel_size = 2" in error
    )
    assert f"torchrun --nproc-per-node=2 -m megatron_urpo.cli {command[0]} " in error


def test_every_metric_of_a_run_is_explained(complete_run, warm_model):
    files = complete_run / "metrics.jsonl", warm_model.parent / "metrics.jsonl"
    names = {name for file in files for record in read_metrics(file) for name in record.values}
    assert {"sft/all/loss", "training/all/loss", "rewards/instruction/std"} <= names
    assert [name for name in sorted(names) if not is_explained(name)] == []


def test_dry_run_prints_the_config_and_the_plan(warm_model, tmp_path):
    result = run_urpo(
        "train", TINY_CONFIG, "--dry-run", "--training.epochs", 3, "--model.path", warm_model,
        "--run.directory", tmp_path / "run", "--gpus", 2,
    )  # fmt: skip
    assert "epochs = 3" in result.stdout
    assert "# 2 ranks: 2 data-parallel for training, 2 rollout engines" in result.stdout
    assert "# 6 optimizer steps a batch" in result.stdout
    assert "#   update " in result.stdout
    assert "<- peak" in result.stdout
    assert not (tmp_path / "run").exists()


def test_dry_run_refuses_what_cannot_fit():
    """The model is planned by name: neither its files nor data are here."""
    arguments = ["train", TINY_CONFIG, "--dry-run", "--model-name", "Qwen2.5-7B"]
    layout = ["--gpus", 8, "--gpu-memory", "80GB", "--model.params_dtype", "bfloat16"]
    tensor = ["--training.tensor_model_parallel_size", 4]
    fits = run_urpo(*arguments, *layout, *tensor)
    assert "# Qwen2.5-7B: 7,615,616,512 parameters" in fits.stdout
    refused = run_urpo(*arguments, *layout, "--gpu-memory", "24GB", *tensor, check=False)
    assert refused.returncode == 2
    assert "this cannot fit: " in refused.stderr
    assert "more than there is; largest component: " in refused.stderr
    assert "<- peak" in refused.stdout


ABSENT = '[{ name = "x", kind = "preference", path = "nowhere.jsonl" }]'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rollout.group_size", 32], "leaves 568 tokens for the judge prompt"),
        (["--training.tensor_model_parallel_size", 2], "start a multiple of 2 ranks"),
        (
            ["--gpus", 8, "--training.pipeline_model_parallel_size", 8],
            "does not divide the model's num_layers",
        ),
        (["--training.transformer_impl", "transformer_engine"], "needs a CUDA device"),
        (["--gpu-memory", "80GB", "--training.transformer_impl", "local"], "runs on the CPU"),
        (["--model.path", "nowhere"], "'nowhere' is not a directory"),
        (["--gpus", 3, "--nodes", 2], "do not divide into --nodes 2"),
        (["--evaluation.every", 1, "--evaluation.sources", ABSENT], "nowhere.jsonl"),
        (["--monitoring.every", 1, "--monitoring.sources", ABSENT], "nowhere.jsonl"),
    ],
)
def test_dry_run_refuses_what_a_start_would(arguments, message, warm_model, capsys):
    command = ["train", TINY_CONFIG, "--dry-run", "--model.path", warm_model, *arguments]
    assert main([str(argument) for argument in command]) == 2
    assert message in capsys.readouterr().err


def test_a_plan_is_not_asked_of_a_start(capsys):
    assert main(["train", str(TINY_CONFIG), "--gpu-memory", "80GB"]) == 2
    assert "add --dry-run" in capsys.readouterr().err


@pytest.mark.slow  # needs user namespaces, to mount a small file system
def test_full_disk_keeps_the_last_checkpoint(warm_model, tmp_path):
    command = (
        f"mount -t tmpfs -o size=190m tmpfs {tmp_path} && "
        f"{sys.executable} -m megatron_urpo.cli train {TINY_CONFIG} --model.path {warm_model} "
        f"--run.directory {tmp_path}/run; echo status $?; ls {tmp_path}/run/checkpoints"
    )
    result = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", command],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert re.search(r"it takes about 0\.\d+ GiB and 0\.\d+ GiB are free", result.stdout)
    assert "Training goes on and tries again later" in result.stdout
    assert "Traceback" not in result.stderr
    assert result.stdout.split()[-3:] == ["status", "2", "step_000002"]
