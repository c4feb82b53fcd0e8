"""Static memory by hand; the moving part is measured in test_measured_memory.py."""

import dataclasses

from megatron_urpo.layout import Layout
from megatron_urpo.planning.activations import TrainingLoad
from megatron_urpo.planning.memory import (
    logprobs_components,
    optimizer_components,
    static_components,
    training_phases,
    update_components,
)
from megatron_urpo.planning.models import MODELS

QWEN = MODELS["Qwen2.5-7B"]
PARAMETERS = 7_615_616_512
LOAD = TrainingLoad(tokens=16384, loss_tokens=16384, prompt_tokens=2048, response_tokens=4096)


def test_eighteen_bytes_a_parameter_and_the_share_of_twelve():
    alone = static_components(QWEN, Layout(), LOAD, 0)
    assert alone == {
        "weights": 2 * PARAMETERS,
        "gradients": 4 * PARAMETERS,
        "optimizer": 12 * PARAMETERS,
    }
    layout = Layout(world_size=8, context_parallel_size=2)  # DP4 x CP2
    assert static_components(QWEN, layout, LOAD, 0)["optimizer"] == 12 * PARAMETERS // 8
    float32 = dataclasses.replace(LOAD, element_bytes=4)
    assert static_components(QWEN, Layout(), float32, 0) == {
        "weights": 4 * PARAMETERS,
        "gradients": 4 * PARAMETERS,
        "optimizer": 8 * PARAMETERS,  # the weights are their own masters
    }


def test_fp8_weights():
    linear = 28 * 3584 * (2 * 3584 + 2 * 512 + 3 * 18944)
    others = 2 * (PARAMETERS - linear)
    fp8 = dataclasses.replace(LOAD, fp8=True)
    assert static_components(QWEN, Layout(), fp8, 0)["weights"] == 4 * linear + others
    gathered = dataclasses.replace(fp8, fp8_param_gather=True)
    assert static_components(QWEN, Layout(), gathered, 0)["weights"] == 2 * linear + others


def test_reference_weights_take_the_memory_of_the_host():
    kl = dataclasses.replace(LOAD, keeps_reference=True)
    assert "reference weights" not in static_components(QWEN, Layout(), kl, 0)
    on_cpu = dataclasses.replace(kl, implementation="local")
    assert static_components(QWEN, Layout(), on_cpu, 0)["reference weights"] == 2 * PARAMETERS
    phases = training_phases(QWEN, Layout(), on_cpu, 512)
    assert phases["reference log-probs"]["weights set aside"] == 2 * PARAMETERS


def test_logprob_chunks_bound_the_logits():
    """A logit of a chunk is there in bfloat16, in float32 once scaled, and of the chunk before, as
    the names of the loop hold it, twice in float32: 14 bytes. Only the last stage has them."""
    layout = Layout(world_size=2, pipeline_model_parallel_size=2)
    small, large = (
        [
            logprobs_components(
                QWEN, layout, dataclasses.replace(LOAD, logprob_chunk_tokens=chunk), stage
            )["log-probs"]
            for stage in range(2)
        ]
        for chunk in (2048, 4096)
    )
    assert large[1] - small[1] == 14 * 2048 * 152064
    assert large[0] == small[0] < small[1]


def test_gradients_of_a_gpu_are_not_copied_to_be_reduced():
    layout = Layout(world_size=2)
    on_cpu = dataclasses.replace(LOAD, implementation="local")
    assert optimizer_components(QWEN, layout, on_cpu, 0)["collectives"] == 4 * PARAMETERS
    assert "collectives" not in optimizer_components(QWEN, layout, LOAD, 0)


def test_recomputation_and_splitting_save_memory():
    def update(layout, recompute="none"):
        load = dataclasses.replace(LOAD, recompute_granularity=recompute)
        return sum(update_components(QWEN, layout, load, 0).values())

    plain = update(Layout())
    assert update(Layout(), "full") < plain
    assert update(Layout(), "selective") == plain  # flash attention keeps no scores
    assert update(Layout(world_size=4, tensor_model_parallel_size=4)) < plain / 2
    tensor = Layout(world_size=4, tensor_model_parallel_size=4)
    assert update(dataclasses.replace(tensor, sequence_parallel=True)) < update(tensor)


def test_the_first_stage_holds_most_activations_and_the_last_the_logits():
    layout = Layout(world_size=4, pipeline_model_parallel_size=4)
    load = dataclasses.replace(LOAD, micro_batches=8)
    kept = [update_components(QWEN, layout, load, stage)["activations"] for stage in range(4)]
    assert kept == sorted(kept, reverse=True)
    worst = training_phases(QWEN, layout, load, 512)["update"]
    assert worst == update_components(QWEN, layout, load, 0)
