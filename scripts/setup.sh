#!/bin/sh
# Makes .venv and installs nnreport into it. The Makefile calls it; it may be called by hand: scripts/setup.sh [dev]
#
#   PYTHON       the Python that makes the environment (default: the newest python3 that is 3.10 or later)
#   TORCH_INDEX  a further package index for torch, or "none" (default: on Linux without an NVIDIA driver, PyTorch's own
#                index of CPU builds, because PyPI's build brings 3 GB of CUDA libraries along)
set -eu
cd "$(dirname "$0")/.."
say() { printf '%s\n' "setup: $*" >&2; }

root() { [ "$(id -u)" = 0 ]; }

# apt PACKAGE...: installs where it may, else says the one command and fails.
apt() {
    if root; then
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2 ||
            { apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2; }
    else
        say "to install what is missing: sudo apt-get install -y $*"
        return 1
    fi
}

# --- Python ----------------------------------------------------------------------------------------------------------

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

if [ -z "${PYTHON:-}" ]; then
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do
        if new_enough "$candidate"; then PYTHON=$candidate; break; fi
    done
fi
if [ -z "${PYTHON:-}" ] || ! new_enough "$PYTHON"; then
    say "nnreport needs Python 3.10 or later; found none. Name one with: make report PYTHON=/path/to/python3"
    exit 1
fi
if ! [ -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null; then
    if ! "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null; then
        say "this Python cannot make environments (Debian keeps that part in python3-venv)"
        if command -v apt-get >/dev/null; then apt python3-venv || exit 1; else exit 1; fi
    fi
    say "making .venv with $("$PYTHON" --version)"
    rm -rf .venv
    "$PYTHON" -m venv .venv
fi

# --- Python packages -------------------------------------------------------------------------------------------------

# A pip that was told where to look (a mirror, a proxy, a folder) is left to it.
if [ -z "${TORCH_INDEX:-}" ]; then
    TORCH_INDEX=none
    if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null &&
        [ -z "$(.venv/bin/python -m pip config list | grep -e index -e find-links)$(env | grep "^PIP_.*INDEX")" ]; then
        cpu=https://download.pytorch.org/whl/cpu
        if .venv/bin/python -c "import urllib.request as u; u.urlopen('$cpu/torch/', timeout=5)" 2>/dev/null; then
            TORCH_INDEX=$cpu
        fi
    fi
fi
[ "$TORCH_INDEX" = none ] && index="" || index="--extra-index-url $TORCH_INDEX"

pip() { .venv/bin/python -m pip --quiet --disable-pip-version-check "$@"; }
say "installing Python packages (the first time takes a few minutes)"
# shellcheck disable=SC2086  # $index is two words or none
pip install $index -c constraints.txt -e .
if [ "${1:-}" = dev ]; then
    # --group came with pip 25.1.
    .venv/bin/python -c 'import pip, sys; sys.exit(tuple(map(int, pip.__version__.split(".")[:2])) < (25, 1))' || pip install --upgrade 'pip>=25.1'
    # shellcheck disable=SC2086
    pip install $index -c constraints.txt --group dev
fi

# --- what a PDF needs of the system ----------------------------------------------------------------------------------

pdf_problem() { .venv/bin/python -c 'import sys; from nnreport.render.pdf import pdf_problem; sys.exit(pdf_problem())'; }
if ! pdf_problem 2>/dev/null; then
    if command -v apt-get >/dev/null && root; then
        apt libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core || true
    elif command -v brew >/dev/null; then
        brew install pango >&2 || true
    fi
    pdf_problem || say "everything but the PDF works"
fi
