"""The real tokenizer, and real data where there is some."""

import os
from pathlib import Path

import pytest

from megatron_urpo.config import ModelConfig
from megatron_urpo.data.prompts import load_encoder

REPOSITORY = Path(__file__).resolve().parents[3]
MODEL = REPOSITORY / ".cache" / "models" / "SmolLM2-135M-Instruct"


@pytest.fixture(scope="session")
def encoder():
    return load_encoder(ModelConfig(path=str(MODEL)))


@pytest.fixture(scope="session")
def real_data():
    directory = os.environ.get("URPO_TEST_DATA")
    if not directory:
        pytest.skip("URPO_TEST_DATA names no directory with the public data sets (docs/data.md)")
    return Path(directory)
