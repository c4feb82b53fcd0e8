"""The command line on several ranks, of which the first cannot write files above a size.

main_rank_worker.py BYTES <arguments of urpo>
"""

from __future__ import annotations

import os
import resource
import sys

from megatron_urpo import cli

if __name__ == "__main__":
    if os.environ["RANK"] == "0":
        # Python ignores the signal that goes with it: what is left is an OSError.
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
    sys.exit(cli.main(sys.argv[2:]))
