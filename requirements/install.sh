#!/usr/bin/env bash
# Builds .venv from the lock and compiles the C++ extension: what `make install` runs.
#
# Does nothing, quickly, when neither the lock nor the C++ sources changed since the last time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly LOCK=requirements/cpu.txt
readonly TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
readonly UNWANTED=(torchvision torchaudio torchcodec triton)

supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        if supported "$candidate"; then command -v "$candidate"; return; fi
    done
    echo "No Python 3.11, 3.12 or 3.13 found. Install one: apt-get install -y python3 python3-venv python3-dev" >&2
    return 1
}

# Prints the Debian names of the system packages that are not there.
missing_packages() {
    local python=$1 version
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    command -v "${CXX:-g++}" >/dev/null || echo g++
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo "$version-venv"
    "$python" -c 'import os, sysconfig; os.stat(os.path.join(sysconfig.get_paths()["include"], "Python.h"))' \
        2>/dev/null || echo "$version-dev"
    command -v bwrap >/dev/null || echo bubblewrap
}

as_root() { if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi; }

may_install() {
    command -v apt-get >/dev/null && { [[ $(id -u) == 0 ]] || sudo -n true 2>/dev/null; }
}

install_system_packages() {
    local python=$1 missing
    mapfile -t missing < <(missing_packages "$python")
    [[ ${#missing[@]} -gt 0 ]] || return 0
    echo "Missing system packages: install them with: sudo apt-get install -y ${missing[*]}"
    if may_install; then
        echo "Installing them now."
        export DEBIAN_FRONTEND=noninteractive
        as_root apt-get install -y -qq "${missing[@]}" >/dev/null 2>&1 ||
            { as_root apt-get update -qq && as_root apt-get install -y -qq "${missing[@]}" >/dev/null; } || true
        mapfile -t missing < <(missing_packages "$python")
    fi
    # bubblewrap guards the execution of generated code only; nothing else needs it.
    [[ ${#missing[@]} -eq 0 || "${missing[*]}" == bubblewrap ]]
}

# torch first and on its own: the CPU wheel from the indexes pip is configured with, else from
# PyTorch's CPU index. The pin ends in +cpu, so that the CUDA build of PyPI never matches.
install_torch() {
    local pin version
    pin=$(grep '^torch==' "$LOCK")
    version=$(.venv/bin/python -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null || true)
    [[ $version != "${pin#torch==}" ]] || return 0
    .venv/bin/pip install -qq --no-compile --no-deps "$pin" 2>/dev/null && return
    echo "No local CPU wheel of $pin: taking it from $TORCH_CPU_INDEX"
    .venv/bin/pip install -qq --no-compile --no-deps --index-url "$TORCH_CPU_INDEX" "$pin"
}

install_packages() {
    local stamp=.venv/.lock.sha256 wanted
    wanted=$(cat "$LOCK" requirements/install.sh | sha256sum)
    [[ -f $stamp && $(<"$stamp") == "$wanted" ]] && return
    echo "Installing the packages of $LOCK into .venv (about 3 GB; minutes on a slow network)"
    install_torch
    .venv/bin/pip install -qq --no-compile --no-deps --requirement "$LOCK"
    .venv/bin/pip uninstall -qq --yes "${UNWANTED[@]}" 2>/dev/null
    echo "$wanted" >"$stamp"
}

build_extension() {
    local stamp=.venv/.extension.sha256 wanted
    wanted=$(find csrc setup.py pyproject.toml -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]] && compgen -G 'megatron_urpo/_core*.so' >/dev/null; then
        return
    fi
    echo "Compiling the C++ extension"
    .venv/bin/pip install -qq --no-deps --no-build-isolation --editable .
    echo "$wanted" >"$stamp"
}

refuse_gpu_installation() {
    local installed='import importlib.metadata as m; m.version("transformer-engine")'
    if [[ -x .venv/bin/python ]] && .venv/bin/python -c "$installed" 2>/dev/null; then
        echo ".venv is the GPU installation: test it with make gpu-test. For the CPU: rm -rf .venv" >&2
        return 1
    fi
}

refuse_gpu_installation
python=$(find_python)
install_system_packages "$python"
supported .venv/bin/python || { rm -rf .venv && "$python" -m venv .venv; }
install_packages
build_extension
