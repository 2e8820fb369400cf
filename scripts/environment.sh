#!/bin/sh
# What every Ray on a machine of a cluster is started with, for shells of every kind: at the top of ~/.bashrc, above the
# line that ends it for shells that are not interactive, such as those of `ray exec` and `ray down`.
#   RAY_USAGE_STATS_ENABLED and the like: telemetry is off for a local Ray, but on for `ray start` unless told so.
#   RAY_AUTH_MODE: without it a head asks for tokens or not depending on what ran there before.
#   RAY_grpc_keepalive_timeout_ms, RAY_health_check_*: a pause of the network is no death (docs/cluster.md).
#   MALLOC_ARENA_MAX: one malloc arena keeps large tensors in the heap of the thread that trains (app/command_line.py).
set -eu
project=$(cd "$(dirname "$0")/.." && pwd)
file=$HOME/.bashrc
begin="# twofold: begin" end="# twofold: end"
touch "$file"
{
    echo "$begin"
    echo "export PATH=$project/.venv/bin:\$PATH"
    echo "export RAY_USAGE_STATS_ENABLED=0 RAY_DATA_USAGE_DISABLED=1 HF_HUB_DISABLE_TELEMETRY=1"
    echo "export RAY_AUTH_MODE=token MALLOC_ARENA_MAX=1"
    echo "export RAY_grpc_keepalive_timeout_ms=120000"
    echo "export RAY_health_check_timeout_ms=5000 RAY_health_check_failure_threshold=9"
    echo "$end"
    sed "/^$begin\$/,/^$end\$/d" "$file"
} >"$file.twofold"
mv "$file.twofold" "$file"
