"""Digests of the pieces that ranks of one engine hold, in vLLM's own layers and as it cuts them."""

import pytest
import torch
from vllm.config import VllmConfig, set_current_vllm_config
from vllm.model_executor import parameter
from vllm.model_executor.layers import linear, vocab_parallel_embedding

from megatron_urpo.rollout.engine_weights import differing_tensors, piece_digests
from megatron_urpo.weight_digest import tensor_digest

HIDDEN, HEAD, HEADS, INNER, VOCABULARY = 16, 4, 8, 24, 100
LAYER = "model.layers.0"


def tensors_of(kv_heads):
    """A layer with biases of queries, keys and values, and an embedding, all values different."""
    rows = {
        "self_attn.q_proj": HEADS * HEAD,
        "self_attn.k_proj": kv_heads * HEAD,
        "self_attn.v_proj": kv_heads * HEAD,
        "mlp.gate_proj": INNER,
        "mlp.up_proj": INNER,
    }
    shapes = {f"{LAYER}.{name}.weight": (size, HIDDEN) for name, size in rows.items()}
    shapes |= {f"{LAYER}.{name}.bias": (size,) for name, size in rows.items() if "attn" in name}
    shapes |= {f"{LAYER}.mlp.down_proj.weight": (HIDDEN, INNER)}
    shapes |= {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,)}
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


class Model:
    """What one rank holds of the tensors, loaded by vLLM's layers."""

    def __init__(self, tensors, kv_heads):
        self.tensors = tensors
        norm = torch.nn.LayerNorm(HIDDEN, bias=False)
        norm.weight.data.copy_(tensors["model.norm.weight"])
        self.modules = {
            f"{LAYER}.self_attn.qkv_proj": linear.QKVParallelLinear(HIDDEN, HEAD, HEADS, kv_heads),
            f"{LAYER}.mlp.gate_up_proj": linear.MergedColumnParallelLinear(
                HIDDEN, [INNER, INNER], bias=False
            ),
            f"{LAYER}.mlp.down_proj": linear.RowParallelLinear(INNER, HIDDEN, bias=False),
            "model.embed_tokens": vocab_parallel_embedding.VocabParallelEmbedding(
                VOCABULARY, HIDDEN
            ),
            "model.norm": norm,
        }
        for part in "qkv":
            self.load("self_attn.qkv_proj.weight", f"self_attn.{part}_proj.weight", part)
            self.load("self_attn.qkv_proj.bias", f"self_attn.{part}_proj.bias", part)
        for number, part in enumerate(("gate", "up")):
            self.load("mlp.gate_up_proj.weight", f"mlp.{part}_proj.weight", number)
        self.load("mlp.down_proj.weight", "mlp.down_proj.weight")
        embedding = self.modules["model.embed_tokens"].weight
        embedding.weight_loader(embedding, tensors["model.embed_tokens.weight"])

    def load(self, own, name, *part):
        module, _, kind = own.rpartition(".")
        mine = getattr(self.modules[f"{LAYER}.{module}"], kind)
        mine.weight_loader(mine, self.tensors[f"{LAYER}.{name}"], *part)

    def named_modules(self):
        return self.modules.items()


@pytest.fixture
def pieces_of(monkeypatch):
    """Pieces of every rank of an engine of so many."""

    def pieces(tensors, kv_heads, ranks):
        found = []
        for rank in range(ranks):
            for module in (linear, parameter, vocab_parallel_embedding):
                # All that these layers ask of the process group.
                monkeypatch.setattr(module, "get_tensor_model_parallel_rank", lambda r=rank: r)
                monkeypatch.setattr(module, "get_tensor_model_parallel_world_size", lambda: ranks)
            with set_current_vllm_config(VllmConfig()):
                found.append(piece_digests(Model(tensors, kv_heads), ranks))
        return found

    return pieces


@pytest.mark.parametrize(
    ("kv_heads", "ranks", "copies"), [(4, 1, 1), (4, 2, 1), (2, 2, 1), (2, 4, 2), (1, 8, 8)]
)
def test_pieces_of_all_ranks_make_up_the_tensors(pieces_of, kv_heads, ranks, copies):
    tensors = tensors_of(kv_heads)
    pieces = pieces_of(tensors, kv_heads, ranks)
    expected = {name: tensor_digest(tensor) for name, tensor in tensors.items()}
    assert differing_tensors(pieces, expected) == []
    counted = {piece.name: piece.copies for mine in pieces for piece in mine}
    assert counted.keys() == tensors.keys()
    for name, found in counted.items():
        keys = ".k_proj" in name or ".v_proj" in name
        assert found == (copies if keys else ranks if name == "model.norm.weight" else 1), name


def test_a_rank_above_the_heads_holds_its_key_where_the_whole_tensor_has_it(pieces_of):
    """Ranks 0 and 1 of four share the first of two key heads, 2 and 3 the second."""
    tensors = tensors_of(kv_heads=2)
    pieces = pieces_of(tensors, 2, ranks=4)
    name = f"{LAYER}.self_attn.k_proj.weight"
    key = tensors[name]
    expected = [tensor_digest(key[:HEAD]), tensor_digest(key[HEAD:], first_row=HEAD)]
    found = [piece.digest for mine in pieces for piece in mine if piece.name == name]
    assert found == [expected[0], expected[0], expected[1], expected[1]]


@pytest.mark.parametrize(("kv_heads", "ranks"), [(4, 2), (2, 4)])
def test_every_tensor_that_differs_is_found(pieces_of, kv_heads, ranks):
    """Changed in one row, or by rows that are all there in another order."""
    tensors = tensors_of(kv_heads)
    pieces = pieces_of(tensors, kv_heads, ranks)
    for name, tensor in tensors.items():
        for changed in (tensor.flip(0), torch.cat((tensor[:-1], tensor[-1:] + 1))):
            expected = {name: tensor_digest(mine) for name, mine in tensors.items()}
            expected[name] = tensor_digest(changed)
            assert differing_tensors(pieces, expected) == [name]
