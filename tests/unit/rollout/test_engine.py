"""The vLLM engine against plain transformers with the same weights, in fp32."""

import copy

import numpy as np
import pytest
import torch

from megatron_urpo.rollout.engine import (
    EngineVersionError,
    VLLMEngine,
    check_version,
)
from megatron_urpo.rollout.interface import GenerationRequest
from megatron_urpo.types import FinishReason
from megatron_urpo.weight_digest import tensor_digest
from tests.unit.rollout.conftest import (
    END_TOKEN,
    VOCABULARY,
    finish_all,
    load_reference,
    reference_greedy,
    reference_logprobs,
    small_config,
    weights_of,
    write_random_llama,
)

RANDOM = np.random.default_rng(0)
SHORT_PROMPT = tuple(RANDOM.integers(3, VOCABULARY, 20).tolist())
# Longer than two cache blocks of 128 tokens, so that the prefix cache holds part of it.
LONG_PROMPT = tuple(RANDOM.integers(3, VOCABULARY, 280).tolist())


def greedy(engine, prompt, num_tokens=12):
    engine.add_request(GenerationRequest("greedy", prompt, 1, num_tokens, 0.0))
    return finish_all(engine)["greedy"].completions[0]


def sampled(engine, prompt, *, seed, num_samples=6, temperature=1.0, num_tokens=20):
    engine.seed(seed)
    engine.add_request(GenerationRequest("s", prompt, num_samples, num_tokens, temperature))
    return finish_all(engine)["s"].completions


@pytest.fixture
def reference(model_directory):
    return load_reference(model_directory)


@pytest.fixture
def engine(module_engine, reference):
    """The module's engine, with the weights of the directory as version 1."""
    module_engine.load_weights(weights_of(reference), 1)
    module_engine.reset_prefix_cache()
    return module_engine


def changed(reference):
    """The reference with other weights, its new state dict left inside it."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in reference.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(0.3 * parameter.std() * noise)
    return reference


class TestWeights:
    def test_new_weights_generate_what_transformers_generates(self, engine, reference):
        before = greedy(engine, SHORT_PROMPT)
        changed(reference)
        engine.load_weights(weights_of(reference), 2)
        engine.reset_prefix_cache()
        after = greedy(engine, SHORT_PROMPT)
        assert before.token_ids != after.token_ids
        assert after.token_ids == reference_greedy(reference, SHORT_PROMPT, 12)
        assert (before.policy_version, after.policy_version) == (1, 2)

    def test_every_tensor_that_differs_is_found(self, engine, reference):
        digests = {name: tensor_digest(tensor) for name, tensor in weights_of(reference)}
        assert engine.differing_weights(digests) == []
        # One element of each tensor, changed by one bit in the trainer's copy.
        for name, tensor in weights_of(reference):
            tensor.view(-1).view(torch.int32)[tensor.numel() // 3] ^= 1
            changed_digests = digests | {name: tensor_digest(tensor)}
            tied_copy = {"lm_head.weight"} if name.endswith("embed_tokens.weight") else set()
            differing = set(engine.differing_weights(changed_digests))
            assert {name} <= differing <= {name} | tied_copy

    def test_a_missing_tensor_differs(self, engine, reference):
        digests = {name: tensor_digest(tensor) for name, tensor in weights_of(reference)}
        del digests["model.norm.weight"]
        assert engine.differing_weights(digests) == ["model.norm.weight"]

    def test_a_long_prompt_is_not_answered_from_the_cache_of_older_weights(self, engine, reference):
        greedy(engine, LONG_PROMPT)
        changed(reference)
        engine.load_weights(weights_of(reference), 2)
        engine.reset_prefix_cache()
        after = greedy(engine, LONG_PROMPT)
        expected = reference_logprobs(reference, LONG_PROMPT, after.token_ids)
        np.testing.assert_allclose(after.logprobs, expected, atol=1e-4)

    def test_generating_with_an_outdated_cache_is_refused(self, engine, reference):
        engine.load_weights(weights_of(reference), 2)
        with pytest.raises(RuntimeError, match="reset_prefix_cache"):
            greedy(engine, SHORT_PROMPT)

    def test_missing_and_unknown_names_are_errors(self, engine, reference):
        weights = dict(weights_of(reference))
        norm = weights.pop("model.norm.weight")
        with pytest.raises(ValueError, match=r"lack 1 of .* model.norm.weight$"):
            engine.load_weights(weights.items(), 2)
        assert engine.policy_version == 1
        with pytest.raises(ValueError, match=r"no weight named 'model.norms.weight'"):
            engine.load_weights([("model.norms.weight", norm)], 2)

    def test_weights_do_not_change_under_unfinished_requests(self, engine, reference):
        engine.add_request(GenerationRequest("unfinished", SHORT_PROMPT, 1, 20, 0.0))
        engine.step()
        with pytest.raises(RuntimeError, match="1 requests are unfinished"):
            engine.load_weights(weights_of(reference), 2)
        engine.abort_all()
        assert engine.num_unfinished == 0


def through_fp8(weight):
    """(values, scales) of a (rows, columns) weight, one scale a row."""
    scales = weight.abs().amax(-1, keepdim=True).float() / torch.finfo(torch.float8_e4m3fn).max
    return (weight.float() / scales).to(torch.float8_e4m3fn), scales


def rounded_weights(model):
    """Weight (rows, columns) and scale (rows, 1) of two linears of vLLM's second layer."""
    layer = model.get_submodule("model.layers.1")
    linears = {name: layer.get_submodule(name) for name in ("self_attn.qkv_proj", "mlp.down_proj")}
    # vLLM keeps the weight as (columns, rows).
    return {name: (m.weight.detach().t(), m.weight_scale) for name, m in linears.items()}


class TestQuantization:
    """FP8 weights in the engine, full-precision ones from the trainer."""

    @pytest.fixture
    def quantized(self, tmp_path):
        write_random_llama(tmp_path, tied=False)
        config = small_config(tmp_path, verify="never", quantization="fp8", dtype="bfloat16")
        engine = VLLMEngine(config, [END_TOKEN])
        yield engine, load_reference(tmp_path)
        engine.close()

    def test_every_sync_rounds_the_new_weights_anew(self, quantized):
        engine, reference = quantized
        old_reference = copy.deepcopy(reference)
        with torch.no_grad():
            for parameter in changed(reference).parameters():
                parameter.copy_(1.5 * parameter.bfloat16())  # larger scales too

        for version in (1, 2):
            engine.load_weights(weights_of(reference), version)
            engine.reset_prefix_cache()

        layer = reference.model.layers[1]
        projections = [getattr(layer.self_attn, f"{name}_proj").weight for name in "qkv"]
        expected = {
            "self_attn.qkv_proj": torch.cat(projections),
            "mlp.down_proj": layer.mlp.down_proj.weight,
        }
        for name, (weight, scale) in engine._llm.apply_model(rounded_weights)[0].items():
            values, scales = through_fp8(expected.pop(name).bfloat16())
            torch.testing.assert_close(scale, scales)
            assert torch.equal(weight.float(), values.float())
        assert not expected
        samples = sampled(engine, SHORT_PROMPT, seed=3)
        measured = np.concatenate([sample.logprobs for sample in samples])
        new, old = (
            np.concatenate([reference_logprobs(m, SHORT_PROMPT, s.token_ids) for s in samples])
            for m in (reference, old_reference)
        )
        assert np.abs(measured - new).mean() < 0.5 * np.abs(measured - old).mean()


class TestSampling:
    @pytest.mark.parametrize("temperature", [1.0, 0.7])
    def test_logprobs_are_those_of_the_sampling_distribution(self, engine, reference, temperature):
        completions = sampled(engine, SHORT_PROMPT, seed=3, temperature=temperature)
        for completion in completions:
            expected = reference_logprobs(
                reference, SHORT_PROMPT, completion.token_ids, temperature
            )
            np.testing.assert_allclose(completion.logprobs, expected, atol=1e-4)

    def test_same_seed_repeats_tokens_and_logprobs_bitwise(self, engine):
        first = sampled(engine, LONG_PROMPT, seed=3)
        engine.reset_prefix_cache()
        second = sampled(engine, LONG_PROMPT, seed=3)
        engine.reset_prefix_cache()
        other = sampled(engine, LONG_PROMPT, seed=4)
        for one, two in zip(first, second, strict=True):
            assert one.token_ids == two.token_ids
            assert one.logprobs.tobytes() == two.logprobs.tobytes()
        assert [one.token_ids for one in first] != [one.token_ids for one in other]
        assert len({one.token_ids for one in first}) == len(first)

    def test_a_sample_ends_at_the_end_token_or_is_cut_off(self, engine):
        completions = sampled(engine, SHORT_PROMPT, seed=5, num_samples=64, num_tokens=40)
        by_reason = dict.fromkeys(FinishReason, 0)
        for completion in completions:
            by_reason[completion.finish_reason] += 1
            stopped = completion.finish_reason is FinishReason.STOP
            assert (completion.token_ids[-1] == END_TOKEN) == stopped
            assert END_TOKEN not in completion.token_ids[:-1]
            assert stopped or len(completion.token_ids) == 40
            assert len(completion.logprobs) == len(completion.token_ids)
        assert all(by_reason.values()), "the case needs samples of both kinds"

    def test_unfinished_counts_sequences(self, engine):
        engine.add_request(GenerationRequest("a", SHORT_PROMPT, 5, 3, 1.0))
        engine.add_request(GenerationRequest("b", SHORT_PROMPT, 1, 3, 1.0))
        assert engine.num_unfinished == 6
        with pytest.raises(ValueError, match="'a' is already running"):
            engine.add_request(GenerationRequest("a", SHORT_PROMPT, 1, 3, 1.0))
        assert set(finish_all(engine)) == {"a", "b"}

    def test_a_prompt_beyond_the_context_is_refused(self, engine):
        with pytest.raises(ValueError, match=r"512 tokens .* rollout.max_model_len = 512"):
            engine.add_request(GenerationRequest("long", (5,) * 512, 1, 1, 0.0))


def test_starting_the_engine_leaves_the_process_as_it_was(engine):
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    assert torch.get_num_threads() == threads + 1
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "version", ["0.30.0", "0.32.0+cpu", "0.33.1", "0.33rc1", "0.33.0.dev12+gabc"]
)
def test_tested_versions(version):
    assert check_version(version) is None


@pytest.mark.parametrize("version", ["0.29.2", "0.34.0", "1.0.0rc1"])
def test_untested_versions_are_refused(version):
    with pytest.raises(EngineVersionError, match=rf"vLLM {version} .* from 0.30"):
        check_version(version)
