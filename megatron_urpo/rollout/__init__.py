"""The rollout stage: prompts in, G finished responses and their judgement out."""
