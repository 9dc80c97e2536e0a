"""The HTTP API: `POST /predict`, STOW-RS, `/api`, health and metrics. The application mounts it."""
