#!/usr/bin/env bash
# Fan-out of this project beside its peers. Usage: bench/run.sh [PEER...]    (default: ours signalr socketio)
#   ours, ours-socketio: 1 silo, 2 gateways and Redis, with clients of SignalR or of Socket.IO; embedded-socketio: one process, Socket.IO
#   signalr, socketio: 2 nodes and Redis; socketio-one: 1 process
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
    D1) echo "--connections 10000 --rooms 100 --idle yes --seconds 5 --users 1" ;;
    *)  echo "There is no scenario $1: A1, A, B, C, D, D1." >&2; return 1 ;;
  esac
}

start_peer() {                         # start_peer NAME COMMAND…: two processes that share a Redis
  local name=$1; shift
  start_redis no
  start_nodes "$name" 2 env REDIS="$REDIS" "$@"
}

start_nodes() {                        # start_nodes NAME NUMBER COMMAND…
  local name=$1 number=$2 i; shift 2
  SERVERS= SERVER_PIDS=
  for ((i = 1; i <= number; i++)); do
    local port=$((FIRST_SERVER_PORT + i - 1))
    spawn "$name$i" env PORT=$port ASPNETCORE_URLS="http://127.0.0.1:$port" "$@"
    wait_ready "$name$i" "http://127.0.0.1:$port/health/ready"
    SERVERS+=${SERVERS:+,}127.0.0.1:$port SERVER_PIDS+=${SERVER_PIDS:+,}$name$i=$PID
  done
}

start() {                              # start PEER: sets SERVERS, SERVER_PIDS and TARGET
  local token=(--token-key "$TOKEN_KEY") socketio=(--target socketio --path '/socket.io/?EIO=4&transport=websocket&access_token={token}')
  REDIS_PID=
  case $1 in
    ours)              start_cluster; TARGET=(--target signalr --path "$GATEWAY_PATH" "${token[@]}") ;;
    ours-socketio)     start_cluster; TARGET=("${socketio[@]}" "${token[@]}") ;;
    embedded-socketio) start_nodes embedded 1 env Realtime__Auth__Key="$TOKEN_KEY" Realtime__Store__DataFolder="$WORK/data" \
                         dotnet "$ROOT/gateway/bin/Release/net10.0/Gateway.dll"; TARGET=("${socketio[@]}" "${token[@]}") ;;
    signalr)           start_peer signalr dotnet "$BENCH/Peers/SignalRRedis/bin/Release/net10.0/SignalRRedis.dll"; TARGET=(--target signalr) ;;
    socketio)          start_peer socketio node "$BENCH/Peers/SocketIoRedis/server.js"; TARGET=(--target socketio) ;;
    socketio-one)      start_nodes socketio 1 node "$BENCH/Peers/SocketIoRedis/server.js"; TARGET=(--target socketio) ;;
    *)                 echo "There is no peer $1." >&2; return 1 ;;
  esac
}

build bench/Load
for peer in "${PEERS[@]}"; do
  case $peer in
    ours* | embedded*) build silo gateway ;;
    signalr)           build bench/Peers/SignalRRedis ;;
    socketio*)         (cd "$BENCH/Peers/SocketIoRedis" && npm ci --no-audit --no-fund --silent) ;;
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
        ${REDIS_PID:+--aux-pids "redis=$REDIS_PID"} $options 9>&- >>"$RESULTS" || echo "$peer, scenario $s: the generator's exit code is $?" >&2
      stop_all
    done
  done
done
dotnet "$LOAD" table "$RESULTS"
