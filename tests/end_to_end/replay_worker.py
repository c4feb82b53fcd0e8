"""Learns from the groups of a recorded run, step by step on any number of ranks, with the weights
given to the engine in between; writes what came of it, and goes on alone.

replay_worker.py RECORDED_RUN STEPS OUTPUT <config and overrides as for urpo train>
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from megatron_urpo.build import open_trainer
from megatron_urpo.config.load import load_config
from megatron_urpo.rollout_log import RolloutLog
from megatron_urpo.stop_request import StopRequest
from megatron_urpo.types import Group, MaskReason


def masked(group: Group) -> Group:
    """The group as if its judgement could not be read."""
    return replace(
        group,
        rewards=np.full_like(group.rewards, np.nan),
        mask_reason=MaskReason.UNPARSEABLE_JUDGEMENT,
    )


def recorded_step(log: RolloutLog, step: int) -> list[Group]:
    groups = log.read(step)
    return [*groups[:-1], masked(groups[-1])]


def main(recorded: Path, steps: int, output: Path, config_path: str, *overrides: str) -> None:
    config = load_config(config_path, overrides)
    log = RolloutLog(recorded)
    with open_trainer(config) as trainer:
        values = []
        for step in range(1, steps + 1):
            values.append(trainer.learn(recorded_step(log, step), step))
            trainer._sync_weights()
        weights = {name: tensor.clone() for name, tensor in trainer.policy.hf_weights()}
        if trainer.parallel.is_main:
            output.mkdir(parents=True, exist_ok=True)
            (output / "values.json").write_text(json.dumps(values))
            save_file(weights, output / "weights.safetensors")
        trainer.run(StopRequest())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
