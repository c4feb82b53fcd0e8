import pytest

from megatron_urpo.config import ConfigError
from megatron_urpo.planning.models import MODELS, find_model
from megatron_urpo.planning.parameters import count_parameters

# As published on the models' pages.
PUBLISHED = {
    "SmolLM2-135M": 134_515_008,
    "Qwen2.5-0.5B": 494_032_768,
    "Qwen2.5-7B": 7_615_616_512,
    "Qwen2.5-72B": 72_706_203_648,
    "Qwen3-0.6B": 596_049_920,
    "Qwen3-8B": 8_190_735_360,
    "Qwen3-32B": 32_762_123_264,
    "Llama-3.1-8B": 8_030_261_248,
    "Llama-3.1-70B": 70_553_706_496,
    "OctoThinker-8B": 8_030_261_248,
}


def test_parameter_counts_are_the_published_ones():
    assert {name: count_parameters(shape) for name, shape in MODELS.items()} == PUBLISHED


def test_a_name_that_is_neither_known_nor_a_directory():
    with pytest.raises(ConfigError, match="'Qwen9' is neither a directory nor a known model"):
        find_model("Qwen9")
