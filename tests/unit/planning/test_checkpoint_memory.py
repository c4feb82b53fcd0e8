"""Arithmetic by hand; test_measured_memory.py measures one rank on the CPU."""

import dataclasses

import pytest

from megatron_urpo.config import CheckpointConfig, Config
from megatron_urpo.layout import Layout
from megatron_urpo.planning.activations import TrainingLoad
from megatron_urpo.planning.checkpoint_memory import (
    copied_components,
    gather_buffer_bytes,
    host_bytes_of_node,
    resuming_bytes_of_node,
)
from megatron_urpo.planning.hardware import cpu, gpu
from megatron_urpo.planning.memory import checkpoint_components, static_components
from megatron_urpo.planning.models import MODELS
from megatron_urpo.planning.parameters import rank_parameters
from megatron_urpo.planning.plan import make_plan
from megatron_urpo.planning.report import describe_plan

QWEN, SMALL = MODELS["Qwen2.5-7B"], MODELS["SmolLM2-135M"]
PARAMETERS = 7_615_616_512
HALVES = 28 * 2 * 3584 * 18944  # gate and up projections
LOAD = TrainingLoad(tokens=1000, loss_tokens=600, prompt_tokens=400, response_tokens=600)
ON_CPU = dataclasses.replace(LOAD, implementation="local")
IN_FLOAT32 = dataclasses.replace(ON_CPU, element_bytes=4)
GIB = 1 << 30


@pytest.mark.parametrize(
    ("layout", "load", "background", "state"),
    [
        # One rank of the CPU has all of the state at hand, and cuts gate from up.
        (Layout(), ON_CPU, False, 12 * HALVES),
        (Layout(), ON_CPU, True, 12 * PARAMETERS),
        (Layout(), IN_FLOAT32, False, 4 * PARAMETERS + 8 * HALVES),
        (Layout(), IN_FLOAT32, True, 12 * PARAMETERS),
        # Gathered, or off the GPU, it is in new memory, and gate and up in more of it.
        (Layout(world_size=2), ON_CPU, False, 12 * (PARAMETERS + HALVES)),
        (Layout(world_size=2, context_parallel_size=2), ON_CPU, True, 12 * (PARAMETERS + HALVES)),
        (Layout(), LOAD, False, 12 * (PARAMETERS + HALVES)),
    ],
)  # fmt: skip
def test_copies_by_hand(layout, load, background, state):
    copies = copied_components(QWEN, layout, load, 0, background=background)
    assert copies == {
        "copy of weights": load.element_bytes * PARAMETERS,
        "copy of optimizer": state,
    }


def test_the_gather_buffer():
    assert gather_buffer_bytes(QWEN, Layout(), LOAD, 0) == 0
    assert (
        gather_buffer_bytes(QWEN, Layout(world_size=4, tensor_model_parallel_size=4), LOAD, 0) == 0
    )
    assert gather_buffer_bytes(QWEN, Layout(world_size=8), LOAD, 0) == 64 << 20
    tiny = dataclasses.replace(SMALL, num_layers=1, vocab_size=100)
    # One layer of 576 x (2 x 576 + 2 x 192 + 3 x 1536) and its norms, embedding, final norm.
    parameters = 576 * (2 * 576 + 2 * 192 + 3 * 1536) + 2 * 576 + 100 * 576 + 576
    assert gather_buffer_bytes(tiny, Layout(world_size=2), LOAD, 0) == 3 * 4 * parameters / 2


def test_on_a_gpu_the_copies_are_not_on_the_device():
    layout = Layout(world_size=8)
    components = checkpoint_components(QWEN, layout, LOAD, 0, background=True)
    static = static_components(QWEN, layout, LOAD, 0)
    assert sum(components.values()) == sum(static.values()) + (64 << 20)
    on_cpu = checkpoint_components(QWEN, layout, ON_CPU, 0, background=False)
    expected = 2 * PARAMETERS + 12 * (PARAMETERS + HALVES) + (64 << 20)
    assert sum(on_cpu.values()) == sum(static.values()) + expected


def test_host_memory_of_a_node():
    """16 ranks, two stages of TP4 and DP2: ranks 0 to 3 and 8 to 11 write, on two nodes of 8."""
    layout = Layout(world_size=16, tensor_model_parallel_size=4, pipeline_model_parallel_size=2)
    stages = [
        sum(copied_components(QWEN, layout, LOAD, stage, background=False).values())
        for stage in range(2)
    ]
    assert stages[1] > stages[0]  # it has biases and norms alike, and the final norm
    assert host_bytes_of_node(QWEN, layout, LOAD, 8, background=False) == 4 * stages[1]
    assert host_bytes_of_node(QWEN, layout, LOAD, 16, background=False) == 4 * sum(stages)
    # One data-parallel rank of two nodes: the copy of the model in the first writes alone.
    data = Layout(world_size=16, tensor_model_parallel_size=8 // 2)
    copies = copied_components(QWEN, data, LOAD, 0, background=False)
    assert host_bytes_of_node(QWEN, data, LOAD, 8, background=False) == 4 * sum(copies.values())


def test_the_engine_is_awake_while_a_gpu_is_saved():
    layout = Layout(world_size=8, tensor_model_parallel_size=4)
    plan = make_plan(QWEN, Config(), layout, gpu(80 * 10**9))
    phase = plan.phases["checkpoint"]
    assert phase["engine weights"] == plan.engine.weights
    assert phase["KV cache"] == plan.engine.kv_cache
    assert phase["gather buffer"] == 64 << 20
    assert "copy of weights" not in phase
    host = 4 * sum(copied_components(QWEN, layout, plan.load, 0, background=False).values())
    line = f"a save takes {host / GIB:.1f} GiB of host memory on the node that writes most"
    halves = 2 * 28 * 3584 * 18944 // 4
    read = 8 * (12 * rank_parameters(QWEN, layout, 0).total + 14 * halves)
    line += f", resuming {read / GIB:.1f} GiB where most is read"
    assert line in describe_plan(plan)


def test_every_rank_that_resumes_reads_the_state_of_its_parameters():
    """16 ranks, two stages of TP4 and DP2, 8 ranks a stage."""
    layout = Layout(world_size=16, tensor_model_parallel_size=4, pipeline_model_parallel_size=2)
    joined = 14 * (2 * 14 * 3584 * 18944 // 4)
    first, last = (12 * rank_parameters(QWEN, layout, stage).total + joined for stage in range(2))
    assert resuming_bytes_of_node(QWEN, layout, LOAD, 8) == 8 * last
    assert resuming_bytes_of_node(QWEN, layout, LOAD, 16) == 8 * (first + last)


def test_on_the_cpu_a_save_in_the_background_is_there_in_every_phase():
    waiting, background = (
        make_plan(
            SMALL, Config(checkpoint=CheckpointConfig(async_save=choice)), Layout(), cpu(10**11, 1)
        )
        for choice in (False, True)
    )
    copies = 14 * 134_515_008
    for name in ("rollout and judging", "log-probs", "update", "optimizer step", "weight sync"):
        before, after = (sum(plan.phases[name].values()) for plan in (waiting, background))
        assert after - before == copies
    static = sum(static_components(SMALL, Layout(), waiting.load, 0).values())
    idle = waiting.engine.weights + waiting.engine.kv_cache
    assert sum(background.phases["checkpoint"].values()) == static + idle + copies
    halves = 30 * 2 * 576 * 1536
    saved = sum(waiting.phases["checkpoint"].values())
    assert saved == static + idle + 2 * 134_515_008 + 12 * halves
