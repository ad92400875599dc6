# Made by zlock from the lock sha256:7d8c4974239f65ae026498a19c142e209c471ab78358d67c832f4db09b0f3309
# Its mounts need BuildKit or Buildah.
# The secret `zlock-index` sets variables for pip and uv, one a line: PIP_INDEX_URL=URL

FROM python:3.12-slim@sha256:abababababababababababababababababababababababababababababababab
USER root

ENV ASKED="a \"quoted\" \\ \$value"
ENV LANG="C.UTF-8"

RUN set -e; \
    apt-get update; \
    env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -- \
        git=1:2.39.5-0+deb12u2 libgomp1; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/* /var/log/apt /var/log/*.log

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

COPY requirements.txt /opt/zlock/
RUN --mount=type=cache,id=zlock-pip,target=/var/cache/zlock \
    --mount=type=secret,id=zlock-index,required=true \
    set -e; \
    python3 -m venv --without-pip /opt/venv; \
    set -a; . /run/secrets/zlock-index; set +a; \
    python3 -m pip --python /opt/venv/bin/python install --disable-pip-version-check --no-input \
        --no-compile --cache-dir /var/cache/zlock/pip --no-deps --require-hashes --no-color --timeout=1000 \
        --trusted-host=a --trusted-host=b --requirement /opt/zlock/requirements.txt; \
    env PYTHONHASHSEED=0 /opt/venv/bin/python -c "import compileall, py_compile, sysconfig; \
        unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH; \
        folders = {sysconfig.get_path(kind) for kind in ('purelib', 'platlib')}; \
        [compileall.compile_dir(one, quiet=1, force=True, invalidation_mode=unchecked) for one in folders]"
ENV VIRTUAL_ENV="/opt/venv"
ENV PATH="/opt/venv/bin:$PATH"

WORKDIR /app
RUN chown app:users /app
COPY --chown=app:users project/ /app/
RUN --mount=type=cache,id=zlock-pip,target=/var/cache/zlock \
    --mount=type=secret,id=zlock-index,required=true \
    ["/bin/sh", "-c", "set -e; set -a; . /run/secrets/zlock-index; set +a; env PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 SOURCE_DATE_EPOCH=315532800 PIP_PYTHON=/opt/venv/bin/python /bin/sh -c 'pip install . --no-deps'"]

ENV MODE="production"

USER app:users
