# What the benchmarks share: building, starting processes and stopping them, by PID. To be sourced.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BENCH=$ROOT/bench
BASE_PORT=${BENCH_PORT:-5610}          # this one and the nine after it
REDIS_PORT=$BASE_PORT SILO_PORT=$((BASE_PORT + 1)) FIRST_SERVER_PORT=$((BASE_PORT + 2))
TOKEN_KEY=a-key-for-benchmarks-on-loopback-only
LOAD=$BENCH/Load/bin/Release/net10.0/Load.dll
GATEWAY_PATH='/hub?access_token={token}'

ulimit -n "$(ulimit -Hn)"
WORK=$(mktemp -d)                      # Redis' files, and what the processes say
PIDS=()
trap 'stop_all; [ -z "${BENCH_LOGS:-}" ] || cp "$WORK"/*.log "$BENCH_LOGS"; rm -rf "$WORK"' EXIT

# One benchmark at a time. Its processes do not inherit the lock (see spawn).
exec 9>"${TMPDIR:-/tmp}/orleans-realtime-bench.lock"
flock 9

build() {                              # build PROJECT…
  local project
  for project; do dotnet build -c Release "$ROOT/$project" --nologo -v q '-clp:ErrorsOnly;NoSummary'; done
}

spawn() {                              # spawn NAME COMMAND…: sets PID
  local name=$1; shift
  "$@" 9>&- >>"$WORK/$name.log" 2>&1 &
  PID=$!
  PIDS+=("$PID")
  disown                               # a killed one is not news
}

stop_all() {                           # at once: nothing that they hold is kept
  local pid
  for pid in "${PIDS[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
  for pid in "${PIDS[@]}"; do while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done; done
  PIDS=()
}

wait_ready() {                         # wait_ready NAME URL
  local try
  for try in $(seq 300); do
    curl -fsS -m 2 -o /dev/null "$2" 2>/dev/null && return
    sleep 0.1
  done
  echo "$1 did not become ready:" >&2
  tail -20 "$WORK/$1.log" >&2
  return 1
}

start_redis() {                        # start_redis yes|no (append-only file): sets REDIS and REDIS_PID
  rm -rf "$WORK/redis"; mkdir "$WORK/redis"
  spawn redis redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --dir "$WORK/redis" --save '' --appendonly "$1" --appendfsync everysec
  REDIS=127.0.0.1:$REDIS_PORT REDIS_PID=$PID
  local try
  for try in $(seq 100); do redis-cli -p "$REDIS_PORT" ping >/dev/null 2>&1 && return; sleep 0.1; done
  echo "Redis did not start" >&2; return 1
}

start_silo() {                         # sets SILO_PID
  spawn silo env Realtime__Redis__ConnectionString="$REDIS" dotnet "$ROOT/silo/bin/Release/net10.0/Silo.dll" --urls "http://127.0.0.1:$SILO_PORT"
  SILO_PID=$PID
  wait_ready silo "http://127.0.0.1:$SILO_PORT/health/ready"
}

start_gateway() {                      # start_gateway NAME PORT: sets PID
  spawn "$1" env Realtime__Redis__ConnectionString="$REDIS" Realtime__Auth__Key="$TOKEN_KEY" \
    dotnet "$ROOT/gateway/bin/Release/net10.0/Gateway.dll" --urls "http://127.0.0.1:$2"
  wait_ready "$1" "http://127.0.0.1:$2/health/ready"
}

start_cluster() {                      # a silo and two gateways: sets SERVERS and SERVER_PIDS
  start_redis "${REDIS_AOF:-yes}"
  start_silo
  SERVERS= SERVER_PIDS=silo=$SILO_PID
  local i
  for i in 1 2; do
    local port=$((FIRST_SERVER_PORT + i - 1))
    start_gateway "gateway$i" $port
    SERVERS+=${SERVERS:+,}127.0.0.1:$port SERVER_PIDS+=,gateway$i=$PID
  done
}
