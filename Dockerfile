# The pipeline's environment, and the project in it. Servers and worker of compose.yaml all run from this image.

FROM python:3.11-slim AS environment
WORKDIR /build
COPY requirements.lock requirements-postgres.lock ./
# uv from its own hashed block of the lock, then everything else by uv, hashes checked.
RUN python -m venv /opt/venv \
    && awk '/^[^ ]/ {keep = /^uv==/} keep' requirements.lock > uv.lock \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r uv.lock \
    && /opt/venv/bin/uv pip install --no-cache --compile-bytecode --python /opt/venv/bin/python \
        --require-hashes -r requirements.lock -r requirements-postgres.lock

FROM python:3.11-slim
# DVC and the lineage of runs need git.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory /workspace \
    && useradd --create-home --uid 1000 dwc \
    && install --directory --owner dwc --group dwc /workspace /var/lib/mlflow /var/lib/prefect
COPY --from=environment /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=true \
    DVC_NO_ANALYTICS=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    PREFECT_SERVER_ANALYTICS_ENABLED=false
WORKDIR /workspace
COPY --chown=dwc:dwc . .
RUN uv pip install --no-cache --offline --python /opt/venv/bin/python --no-deps --no-build-isolation --editable . \
    && chown -R dwc:dwc /workspace
USER dwc
ENTRYPOINT ["/workspace/entrypoint.sh"]
CMD ["python", "-m", "flows", "--help"]
