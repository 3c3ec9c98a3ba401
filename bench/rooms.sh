#!/usr/bin/env bash
# Acknowledged publishes into one room: straight to its grain, and through a gateway. See README.md.
#   CALLS="1 4" CONNECTIONS="1 8" WINDOW=64 SECONDS_EACH=6 REDIS_AOF=yes|no
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/processes.sh"
build bench/Load bench/Rooms silo gateway
RESULTS=$BENCH/results/rooms-$(date -u +%Y%m%d-%H%M%S).jsonl
mkdir -p "$BENCH/results"
start_redis "${REDIS_AOF:-yes}"
start_silo
for calls in ${CALLS:-1 4}; do
  timeout 120 env Realtime__Redis__ConnectionString="$REDIS" dotnet "$BENCH/Rooms/bin/Release/net10.0/Rooms.dll" --Calls "$calls" \
    --Seconds "${SECONDS_EACH:-6}" --Silo "$SILO_PID" --Redis "$REDIS_PID" 9>&- >>"$RESULTS"
done
start_gateway gateway "$FIRST_SERVER_PORT"
for connections in ${CONNECTIONS:-1 8}; do
  timeout 120 dotnet "$LOAD" publish --peer "gateway, $connections connections" --scenario room --path "$GATEWAY_PATH" --token-key "$TOKEN_KEY" \
    --send '{"type":1,"invocationId":"{id}","target":"SendToRoom","arguments":["{room}","{text}"]}' --payload 198 \
    --connections "$connections" --rooms 1 --window "${WINDOW:-64}" --seconds "${SECONDS_EACH:-6}" \
    --servers "127.0.0.1:$FIRST_SERVER_PORT" --server-pids "silo=$SILO_PID,gateway=$PID" --aux-pids "redis=$REDIS_PID" 9>&- >>"$RESULTS" \
    || echo "publish: the generator's exit code is $?" >&2
done
dotnet "$LOAD" table "$RESULTS"
