#!/bin/sh
# Fuzzes the answer engine with libFuzzer, address and undefined-behaviour sanitizers on:
#   tests/fuzz/run.sh [SECONDS]
# The corpus and whatever fails stay in build/fuzz.
set -eu
cd "$(dirname "$0")/../.."
seconds="${1:-1800}"
compiler="${FUZZ_CXX:-clang++}"
if ! command -v "$compiler" >/dev/null; then
  echo "no $compiler: install clang with libFuzzer (Debian: apt-get install clang libclang-rt-dev)" \
    "or name yours in FUZZ_CXX" >&2
  exit 1
fi
mkdir -p build/fuzz/corpus
"$compiler" -std=c++17 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
  tests/fuzz/answers.cpp csrc/answers/*.cpp -o build/fuzz/answers
python3 -m tests.fuzz.seeds build/fuzz/corpus
# What is bounded is one allocation of the engine; the fuzzer's own records grow with the corpus, and
# the sanitizer keeps what was freed.
export ASAN_OPTIONS=quarantine_size_mb=64
exec build/fuzz/answers build/fuzz/corpus -dict=tests/fuzz/latex.dict -artifact_prefix=build/fuzz/ \
  -max_total_time="$seconds" -max_len=4096 -timeout=60 -rss_limit_mb=8192 -malloc_limit_mb=256 -print_final_stats=1
