"""What a run needs before it starts: layouts, memory, tokens and time. Pure arithmetic.

    models -> layout -> parameters -> activations -> memory -> engine -> phases -> ranking -> report

Imports neither torch, megatron nor vllm. docs/planner.md has the formulas and what was measured.
"""
