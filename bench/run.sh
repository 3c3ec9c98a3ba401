#!/usr/bin/env bash
# Fan-out of this project beside its peers. Usage: bench/run.sh [ours] [signalr] [socketio]    (default: all three)
#   SCENARIOS="A B C" REPS=1 REDIS_AOF=yes|no    see README.md
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/processes.sh"
PEERS=("$@")
[ $# -gt 0 ] || PEERS=(ours signalr socketio)

scenario() {                           # the generator's options
  case $1 in
    A1) echo "--connections 1000 --rooms 1 --window 1" ;;
    A)  echo "--connections 1000 --rooms 1 --window 8" ;;
    B)  echo "--connections 1000 --rooms 100 --window 8" ;;
    C)  echo "--connections 5000 --rooms 50 --rate 200 --warmup 4 --seconds 8" ;;
    D)  echo "--connections 10000 --rooms 100 --idle yes --seconds 5" ;;
    *)  echo "There is no scenario $1: A1, A, B, C, D." >&2; return 1 ;;
  esac
}

start_peer() {                         # start_peer NAME COMMAND…: two processes that share a Redis
  local name=$1 i; shift
  start_redis no
  SERVERS= SERVER_PIDS=
  for i in 1 2; do
    local port=$((FIRST_SERVER_PORT + i - 1))
    spawn "$name$i" env PORT=$port ASPNETCORE_URLS="http://127.0.0.1:$port" REDIS="$REDIS" "$@"
    wait_ready "$name$i" "http://127.0.0.1:$port/health/ready"
    SERVERS+=${SERVERS:+,}127.0.0.1:$port SERVER_PIDS+=${SERVER_PIDS:+,}$name$i=$PID
  done
}

start() {                              # start PEER: sets SERVERS, SERVER_PIDS and TARGET
  TARGET=(--target signalr)
  case $1 in
    ours)     start_cluster; TARGET+=(--path "$GATEWAY_PATH" --token-key "$TOKEN_KEY") ;;
    signalr)  start_peer signalr dotnet "$BENCH/Peers/SignalRRedis/bin/Release/net10.0/SignalRRedis.dll" ;;
    socketio) start_peer socketio node "$BENCH/Peers/SocketIoRedis/server.js"; TARGET=(--target socketio) ;;
    *)        echo "There is no peer $1: ours, signalr, socketio." >&2; return 1 ;;
  esac
}

build bench/Load
for peer in "${PEERS[@]}"; do
  case $peer in
    ours)     build silo gateway ;;
    signalr)  build bench/Peers/SignalRRedis ;;
    socketio) (cd "$BENCH/Peers/SocketIoRedis" && npm ci --no-audit --no-fund --silent) ;;
  esac
done

RESULTS=$BENCH/results/fanout-$(date -u +%Y%m%d-%H%M%S).jsonl
mkdir -p "$BENCH/results"
for ((rep = 0; rep < ${REPS:-1}; rep++)); do
  for s in ${SCENARIOS:-A B C}; do
    for peer in "${PEERS[@]}"; do      # in turn, so that a disturbance does not fall on one alone
      start "$peer"
      options=$(scenario "$s")
      # shellcheck disable=SC2086
      timeout 180 dotnet "$LOAD" fanout --peer "$peer" --scenario "$s" "${TARGET[@]}" --servers "$SERVERS" --server-pids "$SERVER_PIDS" \
        --aux-pids "redis=$REDIS_PID" $options 9>&- >>"$RESULTS" || echo "$peer, scenario $s: the generator's exit code is $?" >&2
      stop_all
    done
  done
done
dotnet "$LOAD" table "$RESULTS"
