"""The cluster examples as they are shipped: the paper's numbers, and layouts their models allow.

That each of them runs is for tests/end_to_end/test_examples.py to show.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import pytest

from megatron_urpo.cli import main
from megatron_urpo.config import Config
from megatron_urpo.config.load import load_config
from megatron_urpo.layout import layout_of
from megatron_urpo.planning.hardware import gpu
from megatron_urpo.planning.models import find_model
from megatron_urpo.planning.parameters import count_parameters
from megatron_urpo.planning.plan import make_plan

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
GPUS_PER_NODE = 8
CHECKPOINT_BYTES = 2 + 12  # of a parameter: its weight in bfloat16, the optimizer's state
WRITTEN_A_SECOND = 1e9  # by all nodes together: a shared file system that is not fast


# Names in the planner's table.
MODELS = {
    "urpo_qwen7b": "Qwen2.5-7B",
    "urpo_qwen72b": "Qwen2.5-72B",
    "urpo_qwen3_8b": "Qwen3-8B",
    "urpo_octothinker8b": "OctoThinker-8B",
    "urpo_llama70b": "Llama-3.1-70B",
}
# Section 4.1.4 and Table 4.
PAPER = {
    "training.optimizer.lr": 5e-7,
    "training.optimizer.min_lr": 0.0,
    "training.epochs": 4,
    "training.clip_ratio_low": 0.2,
    "training.clip_ratio_high": 0.28,
    "training.kl_beta": 0.0,
    "batching.loss_denominator": "token_mean",
    "data.prompts_per_step": 256,
    "data.phase1_steps": 100,
    "data.preference_ratio": 1.0,
    "data.reasoning_ratio": 1.0,
    "data.instruction_ratio": 1.0,
    "rollout.group_size": 8,
    "rollout.temperature": 1.0,
    "rollout.max_response_tokens": 4096,
    "rollout.max_judgement_tokens": 4096,
}
# Where the paper is silent; docs/paper.md.
VERL = {
    "training.optimizer.lr_warmup_steps": 0,
    "training.optimizer.weight_decay": 0.01,
    "training.optimizer.adam_beta1": 0.9,
    "training.optimizer.adam_beta2": 0.999,
    "training.optimizer.adam_eps": 1e-8,
    "training.optimizer.clip_grad": 1.0,
    "batching.mini_batches": 4,
    "advantages.normalize_by_std": True,
    "model.params_dtype": "bfloat16",
}
# All that the CPU changes: the model, lengths, sizes of batches and of memory, the layout.
CHANGED_ON_CPU = set(
    """
    run.directory run.steps model.path
    data.prompts_per_step data.phase1_steps data.max_prompt_tokens
    rollout.max_response_tokens rollout.max_judgement_tokens rollout.max_model_len
    rollout.max_num_seqs rollout.kv_cache_gib rollout.tensor_model_parallel_size
    rewards.verifier_workers rewards.code_workers batching.micro_batch_tokens
    training.transformer_impl training.tensor_model_parallel_size
    training.pipeline_model_parallel_size training.sequence_parallel
    monitoring.groups_per_source
    """.split()
)


def values(config: object, prefix: str = "") -> dict[str, object]:
    """Every value by its dotted key."""
    found: dict[str, object] = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if dataclasses.is_dataclass(value):
            found |= values(value, f"{prefix}{item.name}.")
        else:
            found[prefix + item.name] = value
    return found


@pytest.fixture(params=MODELS)
def name(request) -> str:
    return request.param


@pytest.fixture
def config(name) -> Config:
    return load_config(EXAMPLES / f"{name}.toml")


@pytest.fixture
def launch_file(name) -> Path:
    return EXAMPLES / f"run_{name}.sh"


@pytest.mark.parametrize("source", [PAPER, VERL], ids=["paper", "verl"])
def test_hyperparameters_are_those_of_their_source(config, source):
    found = values(config)
    assert {key: found[key] for key in source} == source


def test_dry_run_finds_room_for_it(name, config, launch_file, capsys):
    (nodes,) = re.findall(r"^#SBATCH --nodes=(\d+)$", launch_file.read_text(), re.MULTILINE)
    command = ["train", EXAMPLES / f"{name}.toml", "--dry-run", "--model-name", MODELS[name]]
    command += ["--nodes", nodes, "--gpus", int(nodes) * GPUS_PER_NODE, "--gpu-memory", "80GB"]
    assert main([str(part) for part in command]) == 0, capsys.readouterr().err
    assert f"{MODELS[name]}: " in capsys.readouterr().out
    assert config.rollout.max_model_len <= find_model(MODELS[name]).max_position_embeddings
    # Beyond a node it is slow.
    assert config.training.tensor_model_parallel_size <= GPUS_PER_NODE
    assert config.rollout.tensor_model_parallel_size <= GPUS_PER_NODE


def test_the_referee_is_measured_on_every_preference_source(config):
    trained = {source.name for source in config.data.sources if source.kind == "preference"}
    monitoring = config.monitoring
    assert {source.name for source in monitoring.sources} == trained
    assert 0 < monitoring.every <= config.run.steps / 10
    assert monitoring.groups_per_source >= monitoring.alarm_groups


def test_chat_template_is_there(config):
    template = config.model.chat_template
    assert not template or (EXAMPLES.parent / template).is_file()


def test_launch_file_is_python_and_what_slurm_reads(name, launch_file):
    text = launch_file.read_text()
    tree = ast.parse(text)
    assert isinstance(tree.body[0], ast.Expr)  # what bash executes is a string to Python
    assert ast.literal_eval(tree.body[0].value).startswith("exec")
    assert f"examples/{name}.toml" in ast.literal_eval(tree.body[-1].value.args[0].args[0].elts[1])
    assert launch_file.stat().st_mode & 0o111
    for line in re.findall(r"^#     sbatch (\S+)", text, re.MULTILINE):
        assert line == f"examples/{launch_file.name}"
    # Signals to the batch script alone, a requeue, a log that the requeued job does not erase, and
    # all memory of a node, of which a site's default may be a share.
    assert re.search(r"^#SBATCH --signal=B:USR1@\d+$", text, re.MULTILINE)
    for option in ("--requeue", "--open-mode=append", "--mem=0"):
        assert f"#SBATCH {option}\n" in text


def test_signal_leaves_time_for_a_step_and_a_checkpoint(name, config, launch_file):
    """At the longest texts: the step that the signal finds begun is finished, and saved."""
    text = launch_file.read_text()
    (nodes,) = re.findall(r"^#SBATCH --nodes=(\d+)$", text, re.MULTILINE)
    (seconds,) = re.findall(r"--signal=B:USR1@(\d+)$", text, re.MULTILINE)
    shape = find_model(MODELS[name])
    layout = layout_of(config, int(nodes) * GPUS_PER_NODE)
    plan = make_plan(shape, config, layout, gpu(80 * 10**9, ranks_per_node=GPUS_PER_NODE))
    checkpoint = CHECKPOINT_BYTES * count_parameters(shape) / WRITTEN_A_SECOND
    assert int(seconds) >= plan.durations.step + checkpoint


def test_cpu_override_of_an_example_that_was_extended(name, tmp_path, capsys):
    """With all that a user may have turned on and one process of a CPU cannot do."""
    extended = tmp_path / "extended.toml"
    extended.write_text(
        f"""extends = "{EXAMPLES / f"{name}.toml"}"
        [rollout]
        quantization = "fp8"
        [weight_sync]
        verify = "never"
        [training]
        pipeline_model_parallel_size = 2
        virtual_pipeline_model_parallel_size = 2
        context_parallel_size = 2
        fp8 = "hybrid"
        fp8_param_gather = true
        """
    )
    override = EXAMPLES / "cpu_override.toml"
    command = ["train", extended, "--override", override, "--dry-run"]
    command += ["--model-name", "SmolLM2-135M", "--reserve", "1MiB"]
    assert main([str(part) for part in command]) == 0, capsys.readouterr().err
    assert re.search(
        r"^# layout TP1 DP1, engine TP1; recompute \w+; local;",
        capsys.readouterr().out,
        re.MULTILINE,
    )


def test_cpu_override_changes_nothing_else(name, config):
    override = EXAMPLES / "cpu_override.toml"
    before = values(config)
    after = values(load_config(EXAMPLES / f"{name}.toml", override_files=[override]))
    assert {key for key in before if before[key] != after[key]} <= CHANGED_ON_CPU
