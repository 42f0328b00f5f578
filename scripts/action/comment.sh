#!/usr/bin/env bash
# Writes the report as a comment of the pull request, or over the one that it wrote before.
#
# NNREPORT_MARKDOWN  the report; its first line is a hidden mark that names the target
# NNREPORT_NUMBER    the pull request's number
# NNREPORT_ARTIFACT  address of the whole report, or empty
# GH_TOKEN           a token that may write comments
set -euo pipefail

notice() { printf '::notice title=nnreport::%s\n' "$1"; }

if [ -z "${NNREPORT_NUMBER:-}" ]; then
    notice "there is no pull request to comment on"
    exit 0
fi
if [ -n "${GITHUB_SERVER_URL:-}" ]; then
    GH_HOST=${GITHUB_SERVER_URL#*://}
    GH_ENTERPRISE_TOKEN=$GH_TOKEN
    export GH_HOST GH_ENTERPRISE_TOKEN
fi

body=$(mktemp)
trap 'rm -f "$body"' EXIT
cat "$NNREPORT_MARKDOWN" >"$body"
[ -z "${NNREPORT_ARTIFACT:-}" ] || printf '\n[The whole report as a page](%s)\n' "$NNREPORT_ARTIFACT" >>"$body"

# Its own comments alone: anybody can write one that starts with the mark.
MARK=$(head -n 1 "$NNREPORT_MARKDOWN")
export MARK
comment() {
    local address id
    address=$(gh pr view "$NNREPORT_NUMBER" --repo "$GITHUB_REPOSITORY" --json comments --jq \
        '[.comments[] | select(.viewerDidAuthor and (.body | startswith(env.MARK))) | .url] | last // empty') || return 1
    id=${address##*-}
    if [ -n "$id" ]; then
        gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" -F "body=@$body"
    else
        gh api --silent --method POST "repos/$GITHUB_REPOSITORY/issues/$NNREPORT_NUMBER/comments" -F "body=@$body"
    fi
}
comment || notice "the comment could not be written (a pull request from a fork has no right to); the job's summary holds the report"
