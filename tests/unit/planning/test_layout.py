import dataclasses

import pytest

from megatron_urpo.layout import Layout
from megatron_urpo.planning.layout import layout_misfits, refused_sizes, valid_layouts
from megatron_urpo.planning.models import MODELS

QWEN_7B, QWEN_72B = MODELS["Qwen2.5-7B"], MODELS["Qwen2.5-72B"]  # 28 / 4 heads, 64 / 8 heads


def sizes(shape, name, **cluster):
    return sorted({getattr(layout, name) for layout in valid_layouts(shape, **cluster)})


def test_layouts_of_a_model_with_28_heads_and_28_layers():
    cluster = dict(world_size=56, ranks_per_node=8)
    assert sizes(QWEN_7B, "tensor_model_parallel_size", **cluster) == [1, 2, 4]
    assert sizes(QWEN_7B, "pipeline_model_parallel_size", **cluster) == [1, 2, 4, 7, 14, 28]
    # 28 heads over 7 ranks: 4 query groups neither divide nor are divided by them.
    assert sizes(QWEN_7B, "engine_tensor_parallel_size", **cluster) == [1, 2, 4]


def test_layouts_of_a_model_with_64_heads_and_80_layers():
    cluster = dict(world_size=80, ranks_per_node=8, max_virtual_stages=2, max_context_parallel=2)
    layouts = list(valid_layouts(QWEN_72B, **cluster))
    assert len(set(layouts)) == len(layouts)
    assert sizes(QWEN_72B, "tensor_model_parallel_size", **cluster) == [1, 2, 4, 8]
    stages = [1, 2, 4, 5, 8, 10, 16, 20, 40, 80]
    assert sizes(QWEN_72B, "pipeline_model_parallel_size", **cluster) == stages
    virtual = {
        layout.pipeline_model_parallel_size
        for layout in layouts
        if layout.virtual_pipeline_model_parallel_size == 2
    }
    assert virtual == {2, 4, 5, 8, 10, 20, 40}  # not 1, and 80 / 16 = 5 is odd
    for layout in layouts:
        assert layout.data_parallel_size * layout.model_parallel_size == 80
        assert layout.sequence_parallel == (layout.tensor_model_parallel_size > 1)


def test_tensor_parallel_groups_do_not_lie_across_nodes():
    """Of nodes of 6 ranks a group of 4 has ranks 4 to 7: two of each of two nodes."""
    cluster = dict(world_size=24, ranks_per_node=6)
    assert sizes(QWEN_72B, "tensor_model_parallel_size", **cluster) == [1, 2]
    assert sizes(QWEN_72B, "engine_tensor_parallel_size", **cluster) == [1, 2]
    lines = refused_sizes(QWEN_72B, **cluster)
    assert "TP4: groups would lie across nodes of 6 ranks" in lines
    assert "engine TP4: groups would lie across nodes of 6 ranks" in lines
    assert any(line.startswith("TP3: ") and "num_attention_heads" in line for line in lines)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"tensor_model_parallel_size": 8}, "does not divide the model's num_attention_heads = 28"),
        ({"pipeline_model_parallel_size": 8}, "= 8 does not divide the model's num_layers = 28"),
        (
            {"pipeline_model_parallel_size": 4, "virtual_pipeline_model_parallel_size": 2},
            "= 4 * virtual_pipeline_model_parallel_size = 2 does not divide the model's",
        ),
        ({"context_parallel_size": 3}, "context_parallel_size = 3: start a multiple of 3 ranks"),
        (
            {"engine_tensor_parallel_size": 8},
            "does not divide the model's num_attention_heads = 28",
        ),
    ],
)
def test_problems_name_the_key_and_the_number(changes, problem):
    misfits = layout_misfits(QWEN_7B, Layout(world_size=64, **changes))
    assert any(problem in str(misfit) for misfit in misfits), misfits


def test_engines_may_hold_copies_of_query_groups():
    small = dataclasses.replace(QWEN_72B, num_query_groups=2)
    assert not layout_misfits(small, Layout(world_size=8, engine_tensor_parallel_size=8))
