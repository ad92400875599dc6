# Made by zlock from the lock sha256:7d8c4974239f65ae026498a19c142e209c471ab78358d67c832f4db09b0f3309

FROM python:3.12-slim@sha256:abababababababababababababababababababababababababababababababab

ARG PYTHONDONTWRITEBYTECODE=1
RUN python3 -c "import os, sys; found = '%d.%d' % sys.version_info[:2]; \
    found == '3.12' or sys.exit('zlock: the lock is for Python 3.12, the parent has ' + found); \
    os.geteuid() == 0 or sys.exit('zlock: the parent does not run as root, name its user in the settings')"

COPY requirements.txt /opt/zlock/
RUN set -e; \
    env PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --disable-pip-version-check --no-input \
        --no-compile --no-cache-dir --no-deps --require-hashes --requirement /opt/zlock/requirements.txt; \
    env PYTHONHASHSEED=0 python3 -m compileall -q -f --invalidation-mode unchecked-hash "$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" || true

WORKDIR /app
