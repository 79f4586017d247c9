#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every test, in parts, each with its minutes; the first part alone with `test.sh quick`. A part
# that fails does not stop the others; the exit status is that of the whole.
set -uo pipefail
cd "$(dirname "$0")/.."

case "${1-}" in
  "" | quick) ;;
  *) echo "usage: scripts/test.sh [quick]" >&2 && exit 2 ;;
esac

scripts/setup.sh --test || exit 1
failed=()
minutes=()

part() { # part NAME COMMAND...: run it, note its minutes and whether it failed
  local name=$1 start=$SECONDS status=ok
  shift
  echo "==== $name"
  "$@" || { status=FAILED && failed+=("$name"); }
  local tenths=$(((SECONDS - start) * 10 / 60))
  minutes+=("$(printf '%5d.%d min  %-6s  %s' $((tenths / 10)) $((tenths % 10)) "$status" "$name")")
}

build() { # build PRESET [TARGET...]
  local output preset=$1
  shift
  output=$(cmake --preset "$preset" -DASSAY_TESTS=ON 2>&1) || { echo "$output" && return 1; }
  cmake --build --preset "$preset" ${1:+--target "$@"}
}

suite() { # suite PRESET CTEST-ARGUMENT...
  local preset=$1
  shift
  ctest --preset "$preset" --no-tests=error -j "$(nproc)" "$@"
}

# 1. What people run: every test, then those of the library again without vector units.
release() {
  build release || return 1
  local status=0
  suite release || status=1
  echo "---- again with ASSAY_ISA=baseline"
  ASSAY_ISA=baseline suite release -LE 'long|static' || status=1
  return $status
}

# 2. Memory and undefined behaviour, all but the long laws; a few steps of each config.
address() { build asan-ubsan && suite asan-ubsan -LE 'long|static'; }

# 3. Data races, where threads are: the laws that name them, and whole fits.
threads() {
  build tsan test_graph test_fit test_laws && suite tsan -R '^(graph|fit|laws)$'
}

# 4. Every shipped experiment, a few steps of each; those whose data may not ship skip, and say so.
configs() { python3 tests/scripts/configs.py . build/release --few-steps; }

# 5. The benchmark and the fuzzers still start.
smoke() {
  local status=0
  bench/smoke.sh || status=1
  for fuzzer in build/release/bin/fuzz_*; do
    echo "---- $fuzzer"
    "$fuzzer" --runs 1000 --seed 7 || status=1
  done
  return $status
}

part "release build and all tests" release
if [ "${1-}" != quick ]; then
  part "address and undefined-behaviour sanitizers" address
  part "thread sanitizer" threads
  part "every config at reduced size" configs
  part "smoke of benchmark and fuzzers" smoke
fi

echo "===="
printf '%s\n' "${minutes[@]}"
if [ ${#failed[@]} -gt 0 ]; then
  echo "FAILED: $(printf '%s; ' "${failed[@]}")"
  exit 1
fi
echo "all parts passed"
