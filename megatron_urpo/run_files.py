"""The names of what lies in a run directory, and in one of its checkpoints."""

from __future__ import annotations

CONFIG_FILE = "config.toml"
ENVIRONMENT_FILE = "environment.json"
METRICS_FILE = "metrics.jsonl"
ROLLOUTS_DIRECTORY = "rollouts"
EVALUATIONS_FILE = "evaluations.jsonl"
ITEMS_DIRECTORY = "evaluations"
MONITORING_DIRECTORY = "monitoring"
BASELINE_FILE = f"{MONITORING_DIRECTORY}/baseline.json"
TENSORBOARD_DIRECTORY = "tensorboard"
WANDB_ID_FILE = "wandb_id"
REPORT_FILE = "report.html"
EXPORT_DIRECTORY = "export"
LOCK_FILE = ".lock"
SFT_DIRECTORY = "sft"  # of the warm start: a run directory in a run directory
EARLIER_PREFIX = "earlier-"  # and a number: what a fresh start found

CHECKPOINTS_DIRECTORY = "checkpoints"
CHECKPOINT_PREFIX = "step_"  # and the steps completed
MANIFEST_FILE = "manifest.json"
POLICY_DIRECTORY = "policy"  # Megatron's distributed checkpoint; in converted directories too
