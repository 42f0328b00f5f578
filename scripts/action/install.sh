#!/usr/bin/env bash
# Installs nnreport as it lies beside this script into the Python at hand; a torch that is there already is kept.
#
# NNREPORT_TORCH_INDEX  package index for torch where there is none (the wheels for the CPU are a tenth of those for GPUs)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
pip() { python -m pip --disable-pip-version-check --quiet "$@"; }

if ! python -c 'import torch' 2>/dev/null; then
    if [ -n "${NNREPORT_TORCH_INDEX:-}" ]; then
        pip install torch --index-url "$NNREPORT_TORCH_INDEX"
    else
        pip install torch
    fi
fi
pip install "$here"
