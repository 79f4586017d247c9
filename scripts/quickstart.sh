#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a bare Debian 12 to a finished experiment: install packages, build, run configs/digits.yaml.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
cmake --preset release
cmake --build --preset release --target assay_tool plugins
exec build/release/bin/assay run configs/digits.yaml
