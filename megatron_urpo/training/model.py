"""The policy network: a Megatron GPTModel for packed segments that returns log-probs.

It differs from Megatron's in both ends only. Rotary frequencies follow MicroBatch.position_ids, so
that branches behind a shared prompt continue its positions; and instead of logits it returns, at
the loss positions, the log-probability of each target and the entropy there.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from megatron.core import parallel_state
from megatron.core.models.gpt import GPTModel
from megatron.core.models.gpt.gpt_layer_specs import (
    get_gpt_layer_local_spec,
    get_gpt_layer_with_transformer_engine_spec,
)
from megatron.core.tensor_parallel import (
    copy_to_tensor_model_parallel_region,
    gather_from_sequence_parallel_region,
)
from megatron.core.transformer.module import Float16Module
from megatron.core.transformer.spec_utils import ModuleSpec
from megatron.core.transformer.transformer_block import (
    TransformerBlockSubmodules,
    get_num_layers_to_build,
)
from megatron.core.transformer.transformer_config import TransformerConfig
from torch import Tensor

from megatron_urpo import fp8
from megatron_urpo.config import Config, TrainingConfig
from megatron_urpo.layout import layout_of, model_misfits, padded_vocab_size, refuse
from megatron_urpo.model_shape import ModelShape
from megatron_urpo.training.attention import PackedAttention
from megatron_urpo.training.attention_plan import PackedSegments
from megatron_urpo.training.logprobs import VocabSlice, token_logprobs
from megatron_urpo.training.norm import LocalNorm
from megatron_urpo.training.parallel import Parallel

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class PolicyModel(GPTModel):
    """forward(input_ids, position_ids, attention_mask=None, packed_seq_params=PackedSegments).

    input_ids and position_ids are (1, T). On the last pipeline stage the result is the pair
    ((L,) float32 log-probs, (L,) float32 detached entropies), elsewhere the hidden states.
    """

    def __init__(
        self, *args: Any, shape: ModelShape, temperature: float, chunk_tokens: int, **kwargs: Any
    ) -> None:
        super().__init__(
            *args,
            vocab_size=padded_vocab_size(
                shape.vocab_size, parallel_state.get_tensor_model_parallel_world_size()
            ),
            max_sequence_length=shape.max_position_embeddings,
            share_embeddings_and_output_weights=shape.tie_word_embeddings,
            position_embedding_type="none",  # the frequencies below; megatron's count from 0
            **kwargs,
        )
        self._inverse_frequencies = inverse_frequencies(shape)
        self._vocab = _vocab_slice(shape.vocab_size, self.vocab_size)
        self._temperature = temperature
        self._chunk_tokens = chunk_tokens

    def _preprocess(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        *args: Any,
        packed_seq_params: PackedSegments,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        embedded, _, *rest = super()._preprocess(input_ids, position_ids, *args, **kwargs)
        if self._inverse_frequencies.device != position_ids.device:
            self._inverse_frequencies = self._inverse_frequencies.to(position_ids.device)
        positions = packed_seq_params.rotary_positions(position_ids)
        angles = torch.outer(positions.float(), self._inverse_frequencies)
        rotary = torch.cat((angles, angles), dim=-1)[:, None, None, :]  # (rows, 1, 1, dim)
        return (embedded, rotary, *rest)

    def _postprocess(
        self, hidden_states: Tensor, *args: Any, packed_seq_params: PackedSegments, **kwargs: Any
    ) -> Tensor | tuple[Tensor, Tensor]:
        if not self.post_process:
            return hidden_states
        positions, targets = packed_seq_params.loss_positions, packed_seq_params.target_ids
        assert positions is not None
        assert targets is not None
        weight = (
            self.shared_embedding_or_output_weight()
            if self.share_embeddings_and_output_weights
            else self.output_layer.weight
        )
        # Each rank's slice of the vocabulary gives a share of the gradient of the hidden states;
        # both regions sum it in the backward pass.
        if self.config.sequence_parallel:
            hidden_states = gather_from_sequence_parallel_region(hidden_states)
        else:
            hidden_states = copy_to_tensor_model_parallel_region(hidden_states)
        return token_logprobs(
            hidden_states[:, 0].index_select(0, positions),
            weight,
            targets,
            self._vocab,
            self._temperature,
            self._chunk_tokens,
        )


def build_model(shape: ModelShape, config: Config, parallel: Parallel) -> list[torch.nn.Module]:
    """This rank's shard, weights uninitialised, in model.params_dtype.

    Returns:
        the chunks of layers of this pipeline stage, one for each virtual stage; usually one.

    Raises:
        ConfigError: the layout does not divide the model, or FP8 is not to be had.
    """
    training = config.training
    refuse(model_misfits(shape, layout_of(config, parallel.world_size)))
    dtype = DTYPES[config.model.params_dtype]
    implementation = parallel.platform.transformer_impl(training.transformer_impl)
    fp8.check_device(training, parallel.platform.facts)
    fp8.check_shape(training, shape)
    transformer_config = _transformer_config(shape, training, dtype, implementation, parallel)
    last_chunk = parallel.virtual_pipeline_parallel_size - 1
    chunks: list[torch.nn.Module] = []
    for number in range(parallel.virtual_pipeline_parallel_size):
        model: torch.nn.Module = PolicyModel(
            transformer_config,
            _layer_spec(shape, implementation, transformer_config, number),
            shape=shape,
            temperature=config.rollout.temperature,
            chunk_tokens=training.logprob_chunk_tokens,
            pre_process=parallel.pipeline_parallel_rank == 0 and number == 0,
            post_process=parallel.is_last_stage and number == last_chunk,
            vp_stage=number if last_chunk else None,
        )
        model = model.to(parallel.device)
        if dtype == torch.bfloat16:
            model = Float16Module(transformer_config, model)
        chunks.append(model)
    return chunks


def inverse_frequencies(shape: ModelShape) -> Tensor:
    """(kv_channels / 2,) float32 rotary frequencies, Llama 3 scaling applied if the model has it.

    That scaling divides frequencies whose wavelength exceeds the original context by `factor`,
    keeps the short ones, and blends in between.
    """
    exponents = torch.arange(0, shape.kv_channels, 2, dtype=torch.int64).float() / shape.kv_channels
    frequencies = 1.0 / (shape.rotary_base**exponents)
    scaling = shape.rope_scaling
    if scaling is None:
        return frequencies
    turns = scaling.original_max_position_embeddings * frequencies / (2 * math.pi)
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    keep = ((turns - low) / (high - low)).clamp(0, 1)
    return (1 - keep) * frequencies / scaling.factor + keep * frequencies


def _vocab_slice(vocab_size: int, padded_size: int) -> VocabSlice:
    group = parallel_state.get_tensor_model_parallel_group()
    rows = padded_size // group.size()
    start = rows * group.rank()
    return VocabSlice(start, min(rows, vocab_size - start), group)


def _layer_spec(
    shape: ModelShape, implementation: str, transformer_config: TransformerConfig, chunk: int
) -> ModuleSpec | TransformerBlockSubmodules:
    if implementation == "transformer_engine":
        return get_gpt_layer_with_transformer_engine_spec(qk_layernorm=shape.qk_layernorm)
    spec = get_gpt_layer_local_spec(qk_layernorm=shape.qk_layernorm, normalization="RMSNorm")
    attention = spec.submodules.self_attention.submodules
    attention.core_attention = PackedAttention
    spec.submodules.input_layernorm = spec.submodules.pre_mlp_layernorm = LocalNorm
    if shape.qk_layernorm:
        attention.q_layernorm = attention.k_layernorm = LocalNorm
    virtual = transformer_config.virtual_pipeline_model_parallel_size is not None
    num_layers = get_num_layers_to_build(transformer_config, chunk if virtual else None)
    return TransformerBlockSubmodules(layer_specs=[spec] * num_layers, layer_norm=LocalNorm)


def _transformer_config(
    shape: ModelShape,
    training: TrainingConfig,
    dtype: torch.dtype,
    implementation: str,
    parallel: Parallel,
) -> TransformerConfig:
    fused = implementation == "transformer_engine"
    recompute = None if training.recompute_granularity == "none" else training.recompute_granularity
    virtual = parallel.virtual_pipeline_parallel_size > 1
    return TransformerConfig(
        num_layers=shape.num_layers,
        hidden_size=shape.hidden_size,
        ffn_hidden_size=shape.ffn_hidden_size,
        num_attention_heads=shape.num_attention_heads,
        num_query_groups=shape.num_query_groups,
        kv_channels=shape.kv_channels,
        layernorm_epsilon=shape.layernorm_epsilon,
        normalization="RMSNorm",
        activation_func=F.silu,
        gated_linear_unit=True,
        add_bias_linear=False,
        add_qkv_bias=shape.qkv_bias,
        qk_layernorm=shape.qk_layernorm,
        attention_dropout=0.0,
        hidden_dropout=0.0,
        bf16=dtype == torch.bfloat16,
        params_dtype=dtype,
        pipeline_dtype=dtype,
        # All weights are loaded. Not perform_initialization=False: that would also leave out the
        # tensor-parallel marks of the parameters, and with them gradient norms would be wrong.
        init_method=_leave_as_is,
        output_layer_init_method=_leave_as_is,
        use_cpu_initialization=not parallel.platform.is_cuda,
        tensor_model_parallel_size=training.tensor_model_parallel_size,
        pipeline_model_parallel_size=training.pipeline_model_parallel_size,
        virtual_pipeline_model_parallel_size=(
            parallel.virtual_pipeline_parallel_size if virtual else None
        ),
        context_parallel_size=training.context_parallel_size,
        sequence_parallel=training.sequence_parallel,
        # Micro-batches differ in length. For dense models the dispatcher only has to be one that
        # Megatron allows together with that.
        variable_seq_lengths=True,
        moe_token_dispatcher_type="alltoall",
        # gloo has no batched point-to-point exchange of tensors whose shapes are not known yet, and
        # batches of it mix the virtual stages up.
        batch_p2p_comm=parallel.platform.is_cuda and not virtual,
        overlap_p2p_comm=virtual,
        calculate_per_token_loss=True,
        recompute_granularity=recompute,
        recompute_method="uniform" if recompute == "full" else None,
        recompute_num_layers=1 if recompute == "full" else None,
        masked_softmax_fusion=False,
        bias_dropout_fusion=fused,
        bias_activation_fusion=fused,
        persist_layer_norm=fused,
        apply_rope_fusion=fused,
        gradient_accumulation_fusion=False,  # a kernel of apex, which is not required
        **fp8.transformer_arguments(training),
        deterministic_mode=torch.are_deterministic_algorithms_enabled(),
    )


def _leave_as_is(weight: Tensor) -> Tensor:
    return weight
