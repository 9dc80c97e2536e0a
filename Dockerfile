# The gateway in a container: non-root, data in a volume, health by a real C-ECHO.
FROM python:3.11-slim

# A wheel index with CPU builds of torch; empty takes the default index, whose torch may bring CUDA along.
ARG TORCH_INDEX_URL=

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

# What serves is known to live only when it answers; titles and ports are the configured ones.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD if [ "$GATEWAY_ROLE" = web ]; then \
            python -c "from urllib.request import urlopen; urlopen('http://127.0.0.1:${GATEWAY_WEB__PORT:-8080}/health/live')"; \
        else \
            gateway echo "${GATEWAY_SCP__AE_TITLE:-CXR_GATEWAY}@127.0.0.1:${GATEWAY_SCP__PORT:-11112}"; \
        fi

CMD ["sh", "-c", "exec gateway \"$GATEWAY_ROLE\""]
