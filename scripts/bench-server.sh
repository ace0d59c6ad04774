#!/usr/bin/env bash
# How fast the release server starts on an existing data folder, and what it uses when idle.
set -euo pipefail
cd "$(dirname "$0")/.."
data=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; rm -rf "$data"' EXIT
start() {
    target/release/bedside serve --demo --data "$data" --listen 127.0.0.1:0 --media-listen 127.0.0.1:0 >"$data/out" 2>"$data/err" &
    pid=$!
    until grep -q 'Stop with Ctrl+C' "$data/out" 2>/dev/null; do
        kill -0 "$pid" || { cat "$data/err"; exit 1; }
        sleep 0.005
    done
}
start
kill "$pid"
wait "$pid" || true
times=()
for _ in 1 2 3 4 5; do
    : >"$data/out"
    began=$(date +%s%N)
    start
    times+=($((($(date +%s%N) - began) / 1000000)))
    sleep 3
    rss=$(awk '/VmRSS/ { print $2 }' "/proc/$pid/status")
    kill "$pid"
    wait "$pid" || true
done
echo "start on an existing data folder: ${times[*]} ms (target: under 300)"
echo "idle memory: $((rss / 1024)) MiB resident (target: under 60)"
