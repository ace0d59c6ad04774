#!/usr/bin/env bash
# Everything that must hold, in the order in which it fails fastest. Ends with one line that sums up.
set -uo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
began=$(date +%s)

step() {
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    if ! "$@" 2>&1 | tee -a "$log"; then
        printf '\n%s failed.\n' "$name"
        summary 1
        exit 1
    fi
}

# Adds up what cargo test, vitest and node --test said of themselves.
summary() {
    local counts passed failed
    counts=$(sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '
        /^test result:/                  { for (i = 1; i < NF; i++) { if ($(i + 1) ~ /^passed/) p += $i; if ($(i + 1) ~ /^failed/) f += $i } }
        /^ *Tests +.*(passed|failed)/    { for (i = 1; i < NF; i++) { if ($(i + 1) ~ /^passed/) p += $i; if ($(i + 1) ~ /^failed/) f += $i } }
        /^(ℹ|#) pass [0-9]+/             { p += $3 }
        /^(ℹ|#) fail [0-9]+/             { f += $3 }
        END                              { print p + 0, f + 0 }')
    read -r passed failed <<<"$counts"
    [ "$1" = 0 ] || [ "$failed" != 0 ] || failed=1
    printf '\nTook %s s.\n%s passed, %s failed\n' "$(($(date +%s) - began))" "$passed" "$failed"
}

step 'Format' cargo fmt --check
step 'Page dependencies' npm --prefix frontend ci --no-audit --no-fund --loglevel=error
step 'Page types' npm --prefix frontend run check
step 'Page tests' npm --prefix frontend test
step 'Page build' npm --prefix frontend run build
step 'Lints' cargo clippy --locked --all-targets --quiet -- -D warnings
step 'Server tests' cargo test --locked --lib --bins --tests
step 'Browser tests' npm --prefix frontend run e2e
summary 0
