"""The real tokenizer."""

from pathlib import Path

import pytest

from megatron_urpo.config import ModelConfig
from megatron_urpo.data.prompts import load_encoder

REPOSITORY = Path(__file__).resolve().parents[3]
MODEL = REPOSITORY / ".cache" / "models" / "SmolLM2-135M-Instruct"


@pytest.fixture(scope="session")
def encoder():
    return load_encoder(ModelConfig(path=str(MODEL)))
