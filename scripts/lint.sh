#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Format and clang-tidy of what changed since a commit (default: main), or of every file.
set -uo pipefail
cd "$(dirname "$0")/.."

case "${1-}" in
  -h | --help) echo "usage: scripts/lint.sh [--all | --fix | COMMIT]" && exit 0 ;;
  --all) list=(git ls-files) ;;
  --fix) list=(git diff --name-only --diff-filter=d main) ;;
  *) list=(git diff --name-only --diff-filter=d "${1:-main}") ;;
esac
mapfile -t files < <("${list[@]}" -- '*.c' '*.h' '*.cpp' '*.hpp')
[ ${#files[@]} -gt 0 ] || { echo "lint: nothing changed" && exit 0; }

if [ "${1-}" = --fix ]; then
  clang-format -i "${files[@]}"
  exit
fi

status=0
clang-format --dry-run --Werror "${files[@]}" || status=1
cmake --preset dev -DASSAY_TESTS=ON >/dev/null || exit 1
for file in "${files[@]}"; do
  case "$file" in
    *.c | *.cpp) clang-tidy --quiet -p build/dev "$file" || status=1 ;;
  esac
done
exit $status
