"""The data stage: sources, the mixture of a batch, prompts as token ids.

    sources -> mixture -> prompts            (demonstration_batches, for the supervised warm start)

It consumes the [data] section and produces the Prompts of a step; it waits for nothing. Public data
sets become sources beforehand: adapters knows their schemas, preparation filters and writes them.
"""
