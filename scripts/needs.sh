#!/usr/bin/env bash
# Installs what a goal needs and the machine lacks, through apt where that is allowed; says what is missing where it is not.
# Usage: scripts/needs.sh run|test
set -euo pipefail
goal=${1:?run or test}

missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }

need cc build-essential
need pkg-config pkg-config
if [ "$goal" = test ]; then
    command -v chromium >/dev/null 2>&1 || missing+=(chromium)
    need ffmpeg ffmpeg
    # a small file system of their own, for the tests of what happens when the disk fails
    need mkfs.ext4 e2fsprogs
    need losetup mount
    need fsfreeze util-linux
    need pkill procps
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
    need python3 python3
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing+=(python3-venv)
    fc-list 2>/dev/null | grep -qi 'noto\|liberation\|dejavu' || missing+=(fonts-noto-core fontconfig)
fi

if [ ${#missing[@]} -gt 0 ]; then
    echo "Installing: ${missing[*]}"
    sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo -n)
    if ! command -v apt-get >/dev/null 2>&1 || ! { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
        echo "This machine lacks: ${missing[*]}. Install them and run this again." >&2
        exit 1
    fi
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

for tool in cargo node npm; do
    command -v "$tool" >/dev/null 2>&1 || { echo "This machine lacks $tool (Rust 1.95 and Node 20 are needed; see README.md)." >&2; exit 1; }
done

# Python tools of the tests, in a folder of their own: the solver that proves the policies' theorems, the tester of the API, the judge of FHIR resources, and an object store.
if [ "$goal" = test ]; then
    tools=$(cd "$(dirname "$0")/.." && pwd)/.tools
    wanted='cvc5==1.4.2 schemathesis==4.32.5 fhir.resources==8.2.0 moto[s3,server]==5.1.18'
    if [ ! -x "$tools/bin/python" ] || [ "$(cat "$tools/installed" 2>/dev/null)" != "$wanted" ]; then
        echo "Installing below .tools: $wanted"
        rm -rf "$tools"
        python3 -m venv "$tools"
        # shellcheck disable=SC2086
        "$tools/bin/python" -m pip install --quiet --disable-pip-version-check $wanted
        echo "$wanted" >"$tools/installed"
    fi
fi
