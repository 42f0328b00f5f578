#!/usr/bin/env bash
# Makes the report of the working directory's model and, where asked, of the same model at the pull request's base.
#
# NNREPORT_TARGET     TARGET, as on the command line
# NNREPORT_INPUTS     one --input a line
# NNREPORT_ARGUMENTS  further arguments, one a line (--data=train.py:loader)
# NNREPORT_FAIL_ON    --fail-on; empty: what the project's configuration says
# NNREPORT_BASELINE   a saved JSON report to compare with; "base": make one of NNREPORT_BASE; empty: none
# NNREPORT_BASE       the base's commit
#
# Writes paths, counts and the exit status to $GITHUB_OUTPUT; ends well whatever the model is like, so that the report can be
# uploaded first.
set -euo pipefail

notice() { printf '::notice title=nnreport::%s\n' "$1"; }

out=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/nnreport.XXXXXX")
model=()
while IFS= read -r line; do
    [ -z "$line" ] || model+=(--input "$line")
done <<<"${NNREPORT_INPUTS:-}"
while IFS= read -r line; do
    [ -z "$line" ] || model+=("$line")
done <<<"${NNREPORT_ARGUMENTS:-}"

# The same command in a second checkout of the base; a model that is not there yet is no fault of the pull request.
report_base() {
    local tree=$out/base folder
    folder=$(git rev-parse --show-prefix)
    if ! git cat-file -e "$NNREPORT_BASE^{commit}" 2>/dev/null; then
        git fetch --quiet --no-tags --depth=1 origin "$NNREPORT_BASE" || return 1
    fi
    git worktree add --quiet --force --detach "$tree" "$NNREPORT_BASE" || return 1
    (
        cd "$tree/$folder" || exit 2
        python -m nnreport ${model[@]+"${model[@]}"} --quiet --fail-on never -o "$out/base.json" -- "$NNREPORT_TARGET"
    ) || true
    git worktree remove --force "$tree" || true
    [ -s "$out/base.json" ]
}

baseline=""
case "${NNREPORT_BASELINE:-}" in
"") ;;
base)
    if [ -z "${NNREPORT_BASE:-}" ]; then
        notice "there is no pull request, so there is no base to compare with"
    elif report_base; then
        baseline=$out/base.json
    else
        notice "no report could be made of the base, so nothing is compared with it"
    fi
    ;;
*) baseline=$NNREPORT_BASELINE ;;
esac

run=(${model[@]+"${model[@]}"} --format github) # the shell of a Mac takes an empty list for an unset name
for suffix in html json md sarif; do run+=(-o "$out/report.$suffix"); done
[ -z "$baseline" ] || run+=(--baseline "$baseline")
fail_on=${NNREPORT_FAIL_ON:-}
case "$fail_on" in new-*) [ -n "$baseline" ] || fail_on=never ;; esac # nothing is new without a baseline
[ -z "$fail_on" ] || run+=(--fail-on "$fail_on")

status=0
python -m nnreport "${run[@]}" -- "$NNREPORT_TARGET" || status=$?

{
    printf 'status=%s\n' "$status"
    for suffix in html json md sarif; do
        [ ! -s "$out/report.$suffix" ] || printf '%s=%s\n' "$suffix" "$out/report.$suffix"
    done
    [ ! -s "$out/report.json" ] || python - "$out/report.json" <<'PYTHON'
import json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    severities = [finding["severity"] for finding in json.load(file)["findings"]]
for severity in ("error", "warning", "note"):
    print(f"{severity}s={severities.count(severity)}")
PYTHON
} >>"${GITHUB_OUTPUT:-/dev/stdout}"
