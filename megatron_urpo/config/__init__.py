"""The configuration: one frozen, typed section per stage, named as the stages are.

Importing this module imports neither torch, vllm nor megatron. Every section checks itself on
construction and raises ConfigError with the key, the value and the remedy; what concerns several
sections is checked by Config. Megatron's own names are used where it has them.
"""

from megatron_urpo.config.checks import ConfigError
from megatron_urpo.config.data import EMBEDDED_PREFIX, DataConfig, SourceConfig
from megatron_urpo.config.evaluation import EvaluationConfig, MonitoringConfig
from megatron_urpo.config.rollout import RewardsConfig, RolloutConfig
from megatron_urpo.config.root import Config
from megatron_urpo.config.run import CheckpointConfig, MetricsConfig, ModelConfig, RunConfig
from megatron_urpo.config.training import (
    AdvantagesConfig,
    BatchingConfig,
    OptimizerConfig,
    SFTConfig,
    TrainingConfig,
    WeightSyncConfig,
)

__all__ = [
    "EMBEDDED_PREFIX",
    "AdvantagesConfig",
    "BatchingConfig",
    "CheckpointConfig",
    "Config",
    "ConfigError",
    "DataConfig",
    "EvaluationConfig",
    "MetricsConfig",
    "ModelConfig",
    "MonitoringConfig",
    "OptimizerConfig",
    "RewardsConfig",
    "RolloutConfig",
    "RunConfig",
    "SFTConfig",
    "SourceConfig",
    "TrainingConfig",
    "WeightSyncConfig",
]
