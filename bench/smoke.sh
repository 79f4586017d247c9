#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The benchmark at reduced size: both sides start, and reach the same objective. Called by scripts/test.sh.
set -euo pipefail
cd "$(dirname "$0")"
exec /usr/bin/python3 run.py --quick "$@"
