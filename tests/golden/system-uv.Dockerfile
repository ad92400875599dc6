# Made by zlock from the lock sha256:7d8c4974239f65ae026498a19c142e209c471ab78358d67c832f4db09b0f3309

FROM python:3.12-slim@sha256:abababababababababababababababababababababababababababababababab

ARG PYTHONDONTWRITEBYTECODE=1
RUN python3 -c "import os, platform, sys, time; \
    stop = lambda why: (print('zlock: ' + why, flush=True), time.sleep(1), sys.exit(1)); \
    text = 'the lock is for %s, the base image has %s: name another base image, or correct %s'; \
    python = '%d.%d' % sys.version_info[:2]; \
    python == '3.12' or stop(text % ('Python 3.12', python, 'python')); \
    machine = platform.machine(), sys.maxsize.bit_length() + 1; \
    machine == ('x86_64', 64) or stop(text % ('linux/amd64', '%s with %d bits' % machine, 'platforms')); \
    libc = ' '.join(platform.libc_ver()).strip() or 'no glibc'; \
    glibc = [*map(int, libc[6:].split('.'))] if libc.startswith('glibc') else []; \
    glibc >= [2, 28] or stop(text % ('glibc 2.28 or later', libc, 'manylinux')); \
    os.geteuid() == 0 or stop('the base image does not run as root: name its user in the settings')"

COPY requirements.txt uv.txt /opt/zlock/
RUN set -e; \
    python3 -m pip install --disable-pip-version-check --no-input --no-compile --no-cache-dir --no-deps \
        --require-hashes --target /tmp/zlock-uv --requirement /opt/zlock/uv.txt; \
    /tmp/zlock-uv/bin/uv pip install --system --break-system-packages --link-mode copy --no-cache \
        --no-deps --require-hashes --requirements /opt/zlock/requirements.txt; \
    rm -rf /tmp/zlock-uv /tmp/uv-*.lock; \
    env PYTHONHASHSEED=0 python3 -c "import compileall, py_compile, sysconfig; \
        unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH; \
        folders = {sysconfig.get_path(kind) for kind in ('purelib', 'platlib')}; \
        [compileall.compile_dir(one, quiet=1, force=True, invalidation_mode=unchecked) for one in folders]"

WORKDIR /app
COPY project/ /app/
RUN set -e; \
    pip install --disable-pip-version-check --no-input --no-compile --no-cache-dir --no-deps \
        --require-hashes --target /tmp/zlock-uv --requirement /opt/zlock/uv.txt; \
    export PATH="/tmp/zlock-uv/bin:$PATH"; \
    env PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 SOURCE_DATE_EPOCH=315532800 \
        PIP_BREAK_SYSTEM_PACKAGES=1 UV_NO_CACHE=1 UV_SYSTEM_PYTHON=1 UV_BREAK_SYSTEM_PACKAGES=1 uv pip \
        install --no-deps .; \
    rm -rf /tmp/zlock-uv /tmp/uv-*.lock
