"""Rewards of the three kinds of task: rule verifier, Kendall's tau, self-scores.

Consumes finished rollouts, produces groups with rewards; `score.RewardScorer` is the entry. Nothing
here generates text or touches a device.
"""
