#!/usr/bin/env bash
# URPO on OctoThinker-8B, one node of 8 GPUs. From the repository:
#     sbatch examples/run_urpo_octothinker8b.sh        (or bash, or torchrun: docs/cluster.md)
#SBATCH --job-name=urpo_octothinker8b
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
#SBATCH --nodes=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@3600
#SBATCH --requeue
"exec" "env" "PATH=$PWD/.venv/bin:$PATH" "python3" "$0" "$@"  # to Python a string: it reads on

import sys

from megatron_urpo.launch import main

sys.exit(main(["train", "examples/urpo_octothinker8b.toml", *sys.argv[1:]]))
