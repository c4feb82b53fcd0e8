"""URPO on Megatron-Core: one model that answers and grades, in one GRPO loop."""

__version__ = "0.1.0"
