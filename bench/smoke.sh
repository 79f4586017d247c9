#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The benchmark at reduced size: both sides start, and reach the same objective; and the rows of scaling.py. Called by
# scripts/test.sh.
set -euo pipefail
cd "$(dirname "$0")"
/usr/bin/python3 scaling.py --quick
exec /usr/bin/python3 run.py --quick "$@"
