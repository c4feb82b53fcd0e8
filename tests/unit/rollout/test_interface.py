import pytest

from megatron_urpo.rollout.interface import GenerationRequest


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prompt_ids": ()}, "no tokens"),
        ({"num_samples": 0}, "num_samples = 0"),
        ({"max_tokens": 0}, "max_tokens = 0"),
        ({"temperature": -0.1}, "temperature = -0.1"),
        ({"temperature": 0.0, "num_samples": 2}, "2 samples at temperature 0"),
    ],
)
def test_impossible_requests_are_refused(fields, message):
    valid = {
        "key": "k",
        "prompt_ids": (1,),
        "num_samples": 1,
        "max_tokens": 1,
        "temperature": 1.0,
    }
    GenerationRequest(**valid)
    with pytest.raises(ValueError, match=message):
        GenerationRequest(**(valid | fields))
