#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install the pinned peers into an environment of their own, build/bench/peers, and RcppML as Debian pins it (0.3.7 in
# Debian 12; GPL, so it runs as a program of its own). Running it again is harmless.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! Rscript -e 'library(RcppML)' >/dev/null 2>&1; then
  sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get install -y --no-install-recommends r-base-core r-cran-matrix r-cran-rcppml >/dev/null ||
    echo "peers: RcppML cannot be installed; its rows will say so"
fi

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
