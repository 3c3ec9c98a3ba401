#!/usr/bin/env bash
# A gateway is killed, and its clients come back to the other one at once. See README.md.
#   CONNECTIONS=10000 PLACE="even first" RATE=5 REDIS_AOF=yes|no
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/processes.sh"
build bench/Load silo gateway
RESULTS=$BENCH/results/storm-$(date -u +%Y%m%d-%H%M%S).jsonl
mkdir -p "$BENCH/results"
for place in ${PLACE:-even first}; do
  start_cluster
  IFS=, read -r silo victim survivor <<<"$SERVER_PIDS"
  timeout 180 dotnet "$LOAD" storm --peer "ours, $place" --path "$GATEWAY_PATH" --token-key "$TOKEN_KEY" --connections "${CONNECTIONS:-10000}" \
    --place "$place" --rate "${RATE:-5}" --kill-pid "${victim#*=}" --servers "$SERVERS" --server-pids "$silo,$survivor" \
    --aux-pids "redis=$REDIS_PID" 9>&- | tee -a "$RESULTS" || echo "storm: exit code $?" >&2
  stop_all
done
dotnet "$LOAD" table "$RESULTS"
