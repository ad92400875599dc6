#!/usr/bin/env bash
# Installs zlock into an environment of its own, so that nothing of the project's changes.
# ZLOCK_REQUIREMENT: what to install, as pip reads it. ZLOCK_VENV: where to.
set -euo pipefail

python3 -m venv "$ZLOCK_VENV"
"$ZLOCK_VENV/bin/python" -m pip install --quiet --disable-pip-version-check "$ZLOCK_REQUIREMENT"
