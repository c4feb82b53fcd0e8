#!/usr/bin/env bash
# Debian's Slurm and munge, where they are missing and may be installed. Nothing is configured or
# started: tests/slurm/conftest.py runs daemons of its own, with files of its own.
set -euo pipefail

readonly PROGRAMS=(munged slurmctld slurmd sbatch) PACKAGES=(munge slurm-wlm)

missing() {
    local program
    for program in "${PROGRAMS[@]}"; do
        PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || return 0
    done
    return 1
}

as_root() { if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi; }

missing || exit 0
echo "Slurm is missing: install it with: sudo apt-get install -y ${PACKAGES[*]}"
command -v apt-get >/dev/null && as_root true 2>/dev/null || exit 1
echo "Installing it now."
export DEBIAN_FRONTEND=noninteractive
as_root apt-get install -y -qq "${PACKAGES[@]}" >/dev/null 2>&1 ||
    { as_root apt-get update -qq && as_root apt-get install -y -qq "${PACKAGES[@]}" >/dev/null; }
