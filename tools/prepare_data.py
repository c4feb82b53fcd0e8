"""Turns public data sets into the files that a run reads (docs/data.md).

    python tools/prepare_data.py examples/prepare_real_data.toml
    python tools/prepare_data.py prepare.toml --model.path models/Qwen2.5-7B

Reads every [[sources]] table of the file as a stream, from the hub or from this machine; leaves out
what the [filters] say, duplicates, and what overlaps an evaluation set; writes <name>.arrow, with
<name>.rejects.jsonl (the place of every row left out, and why) and <name>.manifest.json beside it.
Killed, it goes on where it was when it is started again. Any setting can be given on the command
line, as for urpo.
"""

from __future__ import annotations

import argparse
import sys

from megatron_urpo.config import ConfigError
from megatron_urpo.config.load import read_toml
from megatron_urpo.config.overrides import parse_arguments
from megatron_urpo.console import say
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.preparation.settings import PreparationConfig
from megatron_urpo.environment import missing_package
from megatron_urpo.types import RunError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("config", help="a TOML file")
    options, overrides = parse_arguments(parser, PreparationConfig, arguments)
    try:
        from megatron_urpo.data.preparation.manifest import format_table
        from megatron_urpo.data.preparation.prepare import prepare

        config = read_toml(PreparationConfig, options.config, overrides)
        manifests = prepare(config, say)
    except (ConfigError, DataError, RunError, OSError) as error:
        say(f"prepare_data: {error}")
        return 2
    except ModuleNotFoundError as error:
        if (reason := missing_package(error)) is None:
            raise
        say(f"prepare_data: {reason}")
        return 2
    print(format_table(manifests))
    empty = [manifest.name for manifest in manifests if not manifest.rows_written]
    if empty:
        say(f"prepare_data: nothing is left of {', '.join(empty)}")
    return int(bool(empty))


if __name__ == "__main__":
    sys.exit(main())
