#!/usr/bin/env bash
# Runs a job in the working folder.
# ZLOCK_COMMAND: check or build. ZLOCK_ARGUMENTS: more arguments of zlock. ZLOCK_VENV: an environment with zlock; where
# there is none, the python on the path has it.
set -euo pipefail

python=python3
if [ -x "${ZLOCK_VENV:-}/bin/python" ]; then
    python="$ZLOCK_VENV/bin/python"
fi
# Split at spaces and line ends, and nothing more: a value is not code. `read` stops at the end of the text, and says 1.
read -r -d '' -a arguments <<<"${ZLOCK_ARGUMENTS:-}" || true
exec "$python" -P "$(dirname "${BASH_SOURCE[0]}")/job.py" "$ZLOCK_COMMAND" ${arguments[@]+"${arguments[@]}"}
