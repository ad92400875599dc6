# Made by zlock from the lock sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945

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

RUN python3 -m venv --without-pip /opt/venv
ENV VIRTUAL_ENV="/opt/venv"
ENV PATH="/opt/venv/bin:$PATH"

WORKDIR /app
