# One image for the API, the worker, beat and the jobs. Nothing in it is writable by the user that it runs as.

FROM python:3.11.11-slim-bookworm AS build
RUN python -m venv /opt/venv
COPY requirements/app.txt /tmp/app.txt
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r /tmp/app.txt \
 && rm -rf /opt/venv/bin/pip* /opt/venv/lib/python3.11/site-packages/pip /opt/venv/lib/python3.11/site-packages/setuptools

# What stands in for Stripe where nobody has keys: `docker build --target stand-in`. Its licence is another one (GPL): an image of its own.
FROM python:3.11.11-slim-bookworm AS build-stand-in
RUN python -m venv /opt/venv
COPY requirements/stand-in.txt /tmp/stand-in.txt
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r /tmp/stand-in.txt \
 && rm -rf /opt/venv/bin/pip* /opt/venv/lib/python3.11/site-packages/pip /opt/venv/lib/python3.11/site-packages/setuptools

FROM python:3.11.11-slim-bookworm AS stand-in
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/bookstore
RUN install -d -o 10001 -g 10001 /data
COPY --from=build-stand-in /opt/venv /opt/venv
COPY stack/__init__.py stack/stripe_gaps.py stack/stripe_ledger.py stack/stripe_stand_in.py stack/
USER 10001:10001
EXPOSE 8420
CMD ["python", "-m", "stack.stripe_stand_in", "--help"]

FROM python:3.11.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin bookstore
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv/bookstore
COPY --from=build /opt/venv /opt/venv
COPY app app
COPY workers workers
COPY docker docker
RUN python -m compileall -q app workers
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=4s --start-period=20s --retries=3 \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=3)"]
CMD ["python", "-m", "uvicorn", "app.main:create_app", "--factory", "--host", "0.0.0.0", "--port", "8000", \
     "--loop", "uvloop", "--http", "httptools", "--ws", "none", "--timeout-keep-alive", "75", \
     "--timeout-graceful-shutdown", "20", \
     "--no-access-log", "--no-server-header", "--no-proxy-headers"]
