#!/usr/bin/env bash
# Runs every suite. Installs what is missing (chromium, from Debian's packages), builds, checks the format, and ends with a line
# "N passed, N failed". Arguments go to the test runner, for example: tests/run.sh --filter-class '*SseContractTests'
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v chromium >/dev/null; then
  (apt-get update -qq && apt-get install -y -qq chromium) >/dev/null || { echo "chromium could not be installed"; exit 1; }
fi

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
ulimit -n "$(ulimit -Hn)"

dotnet build OrleansRealtime.sln --verbosity quiet || exit 1
dotnet format OrleansRealtime.sln --no-restore --verify-no-changes || { echo "The format is not clean: run 'dotnet format'."; exit 1; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
dotnet run --no-build --project tests -- --timeout 15m --no-ansi --progress off "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

number() { sed -n "s/^ *$1: \([0-9]*\).*/\1/p" "$log" | tail -n 1; }
failed=$(number failed)
[ "$status" -ne 0 ] && [ "${failed:-0}" = 0 ] && failed=1
passed=$(number succeeded)
echo "${passed:-0} passed, ${failed:-0} failed"
exit "$status"
