import pytest

from megatron_urpo.config import ConfigError
from megatron_urpo.planning.models import MODELS, find_model
from megatron_urpo.planning.parameters import count_parameters
from tests.model_configs import PUBLISHED_SIZES


def test_parameter_counts_are_the_published_ones():
    assert {name: count_parameters(shape) for name, shape in MODELS.items()} == PUBLISHED_SIZES


def test_a_name_that_is_neither_known_nor_a_directory():
    with pytest.raises(ConfigError, match="'Qwen9' is neither a directory nor a known model"):
        find_model("Qwen9")
