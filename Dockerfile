# The gateway in a container: non-root, data in a volume, health by the pulses of its roles.
FROM python:3.11.9-slim-bookworm

# A wheel index with CPU builds of torch; empty takes the default index, whose torch brings CUDA along.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu

RUN useradd --create-home --uid 1000 gateway && install -d -o gateway /app /data
WORKDIR /app
COPY --chown=gateway pyproject.toml constraints.txt README.md LICENSE ./
COPY --chown=gateway gateway gateway
COPY --chown=gateway config config
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        pip install --no-cache-dir -c constraints.txt --index-url "$TORCH_INDEX_URL" torch torchvision; \
    fi && pip install --no-cache-dir -c constraints.txt .

USER gateway
ENV GATEWAY_CONFIG=/app/config/gateway.yaml GATEWAY_DATA_DIR=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 11112 8080

# `serve` is everything; `web` alone, without the DICOM port, is what docs/space.md needs.
ENV GATEWAY_ROLE=serve

# Every role tells its supervisor that it lives: this holds with TLS, peers and any port.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD if [ "$GATEWAY_ROLE" = serve ]; then gateway health; else \
            python -c "from urllib.request import urlopen; urlopen('http://127.0.0.1:${GATEWAY_WEB__PORT:-8080}/health/live')"; \
        fi

CMD ["sh", "-c", "exec gateway \"$GATEWAY_ROLE\""]
