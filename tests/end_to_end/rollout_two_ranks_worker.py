"""One rank of test_rollout_two_ranks: sync, deal, collect, gather; what it saw as JSON."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from megatron_urpo.config import WeightSyncConfig
from megatron_urpo.data.prompts import load_encoder
from megatron_urpo.rollout.collect import collect, sample
from megatron_urpo.rollout.engine import VLLMEngine
from megatron_urpo.rollout.gather import deal, gather, this_replica
from megatron_urpo.types import ChatMessage, Group, InstructionTask, Prompt, ReasoningTask
from megatron_urpo.weight_sync import WeightSync, mismatch
from tests.unit.rollout.conftest import (
    load_reference,
    reference_greedy,
    reference_logprobs,
    small_config,
    weights_of,
    write_random_llama,
)
from tools.unpack_smollm2 import unpack

SEED = 21


class Source:
    """The policy of this test: a transformers model."""

    def __init__(self, model):
        self.model = model

    def hf_weights(self):
        yield from weights_of(self.model)


def make_prompts(encoder):
    prompts = []
    for index in range(5):
        messages = (ChatMessage("user", "word " * (3 * index + 1)),)
        if index % 2:
            task = InstructionTask("s", str(index), messages)
        else:
            task = ReasoningTask("s", str(index), messages, ("1",))
        prompts.append(Prompt(index, task, encoder.encode_chat(messages)))
    return prompts


def main(directory, tensor_parallel_size):
    dist.init_process_group("gloo")
    if dist.get_rank() == 0:
        for name, seed in (("start", 0), ("trained", 1)):
            write_random_llama(directory / name, tied=True, seed=seed, tokenizer_from=unpack())
    dist.barrier()
    config = small_config(
        directory / "start",
        max_model_len=1024,
        max_response_tokens=8,
        max_judgement_tokens=8,
        judge_retries=1,
        tensor_model_parallel_size=tensor_parallel_size,
    )
    encoder = load_encoder(config.model)
    engine = VLLMEngine(config, encoder.eos_ids)
    trained = load_reference(directory / "trained")
    WeightSync(Source(trained), engine, WeightSyncConfig(verify="always"), torch.float32).sync(3)

    prompts = make_prompts(encoder)
    replica = this_replica(tensor_parallel_size)
    share = deal(prompts, replica.count, config.rollout)[replica.index]
    rollouts = list(collect(engine, share, encoder, config, replica.seed(SEED)))
    groups = [
        Group(rollout, np.zeros(len(rollout.responses)), np.ones(len(rollout.responses), bool))
        for rollout in rollouts
    ]
    gathered = gather(groups, prompts, replica, None)
    measured = mismatch(
        [response.logprobs for rollout in rollouts for response in rollout.responses],
        [
            reference_logprobs(trained, rollout.prompt.token_ids, list(response.token_ids))
            for rollout in rollouts
            for response in rollout.responses
        ],
    )
    (greedy,) = sample(engine, prompts[:1], encoder, config, SEED, temperature=0.0)
    expected = reference_greedy(trained, prompts[0].token_ids, 8)
    record = {
        "own": sorted(prompt.index for prompt in share),
        "sampled": [[r.token_ids for r in rollout.responses] for rollout in rollouts],
        "gathered": [
            {
                "index": group.prompt.index,
                "tokens": [response.token_ids for response in group.rollout.responses],
                "versions": [response.policy_version for response in group.rollout.responses],
                "judged": group.rollout.judgement is not None,
            }
            for group in gathered
        ],
        "mismatch": measured.max_abs,
        "greedy_agrees": greedy.responses[0].token_ids == expected,
    }
    (directory / f"rank{dist.get_rank()}.json").write_text(json.dumps(record))
    engine.close()
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
