#!/bin/sh
# Finds a Python that is new enough and has it make the clone ready: deploy/local/setup.sh [broker] [tests]
set -eu
cd "$(dirname "$0")/../.."
for python in "${PYTHON:-}" .venv/bin/python python3 python3.14 python3.13 python3.12 python3.11; do
    [ -n "$python" ] || continue
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" -m deploy.local.install "$@"
    fi
done
echo "setup: Python 3.11 or newer is needed (python3 --version: $(python3 --version 2>&1 || true))" >&2
exit 1
