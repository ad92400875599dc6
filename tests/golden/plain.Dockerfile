# Made by zlock from the lock sha256:7d8c4974239f65ae026498a19c142e209c471ab78358d67c832f4db09b0f3309

FROM python:3.12-slim@sha256:abababababababababababababababababababababababababababababababab

ARG PYTHONDONTWRITEBYTECODE=1
RUN python3 -c "import os, sys; found = '%d.%d' % sys.version_info[:2]; \
    found == '3.12' or sys.exit('zlock: the lock is for Python 3.12, the parent has ' + found); \
    os.geteuid() == 0 or sys.exit('zlock: the parent does not run as root, name its user in the settings')"

COPY requirements.txt /opt/zlock/
RUN set -e; \
    python3 -m venv --without-pip /opt/venv; \
    python3 -m pip --python /opt/venv/bin/python install --disable-pip-version-check --no-input \
        --no-compile --no-cache-dir --no-deps --require-hashes --requirement /opt/zlock/requirements.txt; \
    env PYTHONHASHSEED=0 /opt/venv/bin/python -m compileall -q -f --invalidation-mode unchecked-hash \
        /opt/venv/lib || true
ENV VIRTUAL_ENV="/opt/venv"
ENV PATH="/opt/venv/bin:$PATH"

WORKDIR /app
