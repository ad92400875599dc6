# Made by zlock from the lock sha256:7d8c4974239f65ae026498a19c142e209c471ab78358d67c832f4db09b0f3309
# Its mounts need BuildKit or Buildah.

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
    os.geteuid() == 0 or stop('the base image does not run as root: name its user in the settings'); \
    os.path.lexists('/opt/venv') and stop('the base image has /opt/venv already: set venv to another folder, or system to true')"

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
    env PYTHONHASHSEED=0 /opt/venv/bin/python -c "import compileall, py_compile, sysconfig; \
        unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH; \
        folders = {sysconfig.get_path(kind) for kind in ('purelib', 'platlib')}; \
        [compileall.compile_dir(one, quiet=1, force=True, invalidation_mode=unchecked) for one in folders]"
ENV VIRTUAL_ENV="/opt/venv"
ENV PATH="/opt/venv/bin:$PATH"

WORKDIR /app
