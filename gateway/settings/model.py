"""The classifier's section of the settings: which model, and where its networks run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from gateway.settings.section import Section

ServerURL = Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@]+(/[^?#]*)?$")]
ServerModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]


class Model(Section):
    """The classifier; null means what the model's own card says."""

    path: Path | None = None
    """The model's card, its folder, or a torchvision state_dict (.pth); null: the shipped model."""
    profile: Path | None = None
    """The site profile that `gateway commission` made for this model, a folder; null: the model is not fitted
    to this site."""
    kind: Literal["local", "remote"] = "local"
    """Where the networks run: local (on this machine), or remote (on `urls`, by the Open Inference Protocol
    v2). The worker needs the model's card and weights in both cases; remote needs neither PyTorch nor
    OpenVINO."""
    urls: tuple[ServerURL, ...] = ()
    """Model servers that hold the same models, as [http://gpu1:8000, http://gpu2:8000]; https is TLS."""
    protocol: Literal["http", "grpc"] = "http"
    """Transport of the Open Inference Protocol: http, or grpc. For gRPC name the servers' gRPC ports, as
    [http://gpu1:8001], without a path; workers need the extra grpc: pip install 'cxr-gateway[grpc]'."""
    classifier_name: ServerModelName = "cxr-classifier"
    """Name of the classifier at the servers."""
    lungs_name: ServerModelName = "cxr-lungs"
    """Name of the lung network at the servers."""
    model_version: ServerModelName | None = None
    """Version of both models at the servers; null: the one that the server prefers."""
    bearer_token: SecretStr | None = None
    """Bearer token for the servers; better in the environment, as GATEWAY_MODEL__BEARER_TOKEN."""
    ca: Path | None = None
    """Authorities to trust for https, a PEM file; null: those of the system."""
    certificate: Path | None = None
    """Certificate that the gateway shows the servers, a PEM file; null: none."""
    key: Path | None = None
    """Private key of the certificate, a PEM file."""
    timeout_seconds: float = Field(30, gt=0, le=120)
    """Seconds for each request to a server as a whole, up to 120."""
    images_per_request: int = Field(8, ge=1, le=256)
    """Most images in a request to a server, 1 to 256, beside one reference image; each takes 0.6 MB."""
    requests_per_server: int = Field(2, ge=1, le=32)
    """Most requests of a worker to one server at a time, 1 to 32."""
    engine: Literal["auto", "torch", "openvino"] = "auto"
    """Program that runs the network: auto (PyTorch on a GPU, OpenVINO elsewhere), torch, or openvino.
    Whatever the setting, PyTorch answers where OpenVINO does not compute the model's reference answers."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of OpenVINO: auto (bfloat16 where the processor computes in it and gives the reference
    answers, else float32), float32, or bfloat16. State float32 where workers run on processors of several
    kinds. Of model servers: auto and float32 demand probabilities within 0.0001 of the model's, bfloat16
    allows what that precision costs."""
    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    """Device of the forward pass: auto, cpu, cuda, or cuda:N."""
    threads: int | None = Field(None, ge=1)
    """CPU threads of a forward pass; null: the cores of the machine, shared by `workers`."""
    batch_size: int = Field(32, ge=1, le=1024)
    """Most images in a forward pass, 1 to 1024."""
    threshold: float | None = Field(None, ge=0, le=1)
    """Probability of pneumonia, 0 to 1, from which the answer is Pneumonia; null: the threshold of the site
    profile, else of the model card."""

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("state both certificate and key, or neither")
        return self
