#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install the pinned peers into an environment of their own, build/bench/peers. Running it again is harmless.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=build/bench/peers
wanted=bench/peers/requirements.txt
if [ -x "$venv/bin/python" ] && cmp -s "$wanted" "$venv/installed.txt"; then
  echo "peers: $venv is up to date"
  exit 0
fi
python3 -m venv --clear "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted"
cp "$wanted" "$venv/installed.txt"
echo "peers: installed into $venv: $("$venv/bin/pip" freeze --disable-pip-version-check | tr '\n' ' ')"
