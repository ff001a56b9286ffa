# One image for web, worker, beat and migrate: docker-compose.yml runs all four.
# The base may be any Debian or Ubuntu whose `python3` is 3.11 or newer.
ARG PYTHON_IMAGE=docker.io/library/python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS requirements
COPY requirements/base.txt /tmp/
# Wheels only: the tools that build a source package would come without hashes. Pip itself stays behind.
RUN python3 -m venv /venv \
    && /venv/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir \
        --no-deps --require-hashes --only-binary :all: -r /tmp/base.txt \
    && /venv/bin/python -m pip uninstall --quiet --yes pip setuptools

FROM ${PYTHON_IMAGE}
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data
# /data is the only place the shop writes to; a new volume mounted there inherits its owner.
RUN groupadd --gid 10001 lavka \
    && useradd --uid 10001 --gid lavka --home-dir /data --no-create-home --shell /usr/sbin/nologin lavka \
    && install --directory --owner lavka --group lavka /data
WORKDIR /app
COPY --from=requirements /venv /venv
COPY manage.py ./
COPY backend backend
COPY samples samples
# The settings want a complete environment; these values serve this line and are in no later one.
# The last command is for checkouts that only their owner may read.
RUN DJANGO_SECRET_KEY=- ALLOWED_HOSTS=- DB_HOST=- DB_PASSWORD=- REDIS_URL=redis://- \
        python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q backend \
    && chmod -R a+rX .
# By number, so that Kubernetes can see that it is not root.
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-m", "backend.config.probe", "/health/live"]
# The heartbeat files of the web processes belong into memory: on a container's disk they can stall them.
CMD ["gunicorn", "--config", "python:backend.config.gunicorn", "--worker-tmp-dir", "/dev/shm"]
