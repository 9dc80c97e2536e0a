# The gateway in a container: user 1000, data in a volume, health by the heartbeats of its roles. Never built where
# it was written; tests/unit/test_deployment.py compares it with the settings and the files.
FROM python:3.11.9-slim-bookworm

# A wheel index with CPU builds of torch; empty takes the default index, whose torch brings CUDA along.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu

# Fonts of results.pdf, as Debian packages; empty leaves them out.
ARG FONTS="fonts-dejavu-core fonts-noto-cjk"
RUN if [ -n "$FONTS" ]; then \
        apt-get update && apt-get install -y --no-install-recommends $FONTS && rm -rf /var/lib/apt/lists/*; \
    fi

RUN useradd --create-home --uid 1000 gateway && install -d -o gateway /app /data
WORKDIR /app
COPY --chown=gateway pyproject.toml constraints.txt README.md LICENSE ./
# Only torch itself comes from that index, which lacks most versions of what torch needs.
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        pip install --no-cache-dir -c constraints.txt --no-deps --index-url "$TORCH_INDEX_URL" torch torchvision; \
    fi
COPY --chown=gateway gateway gateway
COPY --chown=gateway config config
# Extras of pyproject.toml: local runs the networks here, s3 keeps images in a bucket, grpc asks model servers.
ARG EXTRAS=local
RUN pip install --no-cache-dir -c constraints.txt ".[$EXTRAS]"

USER gateway
ENV GATEWAY_CONFIG=/app/config/gateway.yaml GATEWAY_DATA_DIR=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 11112 8080

# `serve` is everything; `web` alone, without the DICOM port, is what docs/space.md needs. `receive`, `work` and
# `pull --by-schedule` are one role each.
ENV GATEWAY_ROLE=serve

# Every role sends its supervisor heartbeats: this holds with TLS, peers, any port, and without pages. A role alone
# ends by itself where one of its threads has failed.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD case "$GATEWAY_ROLE" in \
            serve) gateway health ;; \
            web) python -c "from urllib.request import urlopen; urlopen('http://127.0.0.1:${GATEWAY_WEB__PORT:-8080}/health/live')" ;; \
        esac

CMD ["sh", "-c", "exec gateway $GATEWAY_ROLE"]
