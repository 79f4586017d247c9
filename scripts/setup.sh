#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install what Assay is built from, on Debian 12 or newer, as root or with sudo. Running it again
# is harmless: nothing happens when everything is there.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/setup.sh [--test] [--dev] [--bindings] [--bench]

  (no flag)    compilers and libraries of the tool and its plugins
  --test       what scripts/test.sh needs as well
  --dev        --test, and the tools of scripts/lint.sh
  --bindings   what the Rust and Python packages are built with
  --bench      what the benchmark's peers are installed with
TEXT
}

packages=(
  g++ gcc make cmake ninja-build pkg-config git
  libtbb-dev libyaml-cpp-dev libfmt-dev nlohmann-json3-dev libxxhash-dev libcli11-dev
  libxtensor-dev libxtensor-blas-dev libopenblas-dev libsleef-dev
  libpng-dev zlib1g-dev libicu-dev
)
test_packages=(
  doctest-dev clang binutils python3 python3-numpy ccache dataset-fashion-mnist
)
for flag in "$@"; do
  case "$flag" in
    --test) packages+=("${test_packages[@]}") ;;
    --dev) packages+=("${test_packages[@]}" clang-format clang-tidy gdb) ;;
    --bindings) packages+=(python3 python3-dev python3-numpy cargo rustc) ;;
    --bench) packages+=(python3 python3-venv python3-numpy) ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done

if ! command -v apt-get >/dev/null; then
  echo "setup: this script knows Debian's apt-get only; install these with your system's tool:" >&2
  echo "  ${packages[*]}" >&2
  exit 1
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: all ${#packages[@]} packages are installed"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: not root and no sudo; as root, run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends "${missing[@]}"
