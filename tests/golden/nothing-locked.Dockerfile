# Made by zlock from the lock sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945

FROM python:3.12-slim@sha256:abababababababababababababababababababababababababababababababab

ARG PYTHONDONTWRITEBYTECODE=1
RUN python3 -c "import os, sys; found = '%d.%d' % sys.version_info[:2]; \
    found == '3.12' or sys.exit('zlock: the lock is for Python 3.12, the parent has ' + found); \
    os.geteuid() == 0 or sys.exit('zlock: the parent does not run as root, name its user in the settings')"

RUN python3 -m venv --without-pip /opt/venv
ENV VIRTUAL_ENV="/opt/venv"
ENV PATH="/opt/venv/bin:$PATH"

WORKDIR /app
