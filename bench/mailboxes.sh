#!/bin/sh
# Compares the ways from a silo's outboxes to the gateways. Takes about a minute and a half; needs redis-server.
set -eu
cd "$(dirname "$0")/Mailboxes"
dotnet build -c Release -v q --nologo
exec ./bin/Release/net10.0/OrleansRealtime.Bench.Mailboxes
