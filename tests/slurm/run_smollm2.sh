#!/usr/bin/env bash
# As the files of examples/, for the two nodes of tests/slurm.
#SBATCH --job-name=smollm2
#SBATCH --open-mode=append
#SBATCH --nodes=2
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
"exec" "env" "PATH=$PWD/.venv/bin:$PATH" "python3" "$0" "$@"  # to Python a string: it reads on

import sys

from megatron_urpo.launch import main

sys.exit(main(["train", "tests/slurm/smollm2.toml", *sys.argv[1:]]))
