# Made by zlock from the lock sha256:7d8c4974239f65ae026498a19c142e209c471ab78358d67c832f4db09b0f3309
# Its mounts need BuildKit or Buildah.

FROM python:3.12-slim@sha256:abababababababababababababababababababababababababababababababab

ARG PYTHONDONTWRITEBYTECODE=1
RUN python3 -c "import os, sys; found = '%d.%d' % sys.version_info[:2]; \
    found == '3.12' or sys.exit('zlock: the lock is for Python 3.12, the parent has ' + found); \
    os.geteuid() == 0 or sys.exit('zlock: the parent does not run as root, name its user in the settings')"

COPY requirements.txt uv.txt /opt/zlock/
RUN --mount=type=cache,id=zlock-uv,target=/var/cache/zlock \
    set -e; \
    python3 -m venv --without-pip /opt/venv; \
    python3 -m pip install --disable-pip-version-check --no-input --no-compile --cache-dir \
        /var/cache/zlock/pip --no-deps --require-hashes --target /tmp/zlock-uv --requirement \
        /opt/zlock/uv.txt; \
    env UV_HTTP_RETRIES=5 UV_HTTP_TIMEOUT=300 /tmp/zlock-uv/bin/uv pip install --python \
        /opt/venv/bin/python --link-mode copy --cache-dir /var/cache/zlock/uv --no-deps --require-hashes \
        --strict --requirements /opt/zlock/requirements.txt; \
    rm -rf /tmp/zlock-uv /tmp/uv-*.lock /opt/venv/.lock; \
    env PYTHONHASHSEED=0 /opt/venv/bin/python -m compileall -q -f --invalidation-mode unchecked-hash \
        /opt/venv/lib || true
ENV VIRTUAL_ENV="/opt/venv"
ENV PATH="/opt/venv/bin:$PATH"

WORKDIR /app
