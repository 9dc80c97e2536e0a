"""Writes a model's networks for model servers, and shows that the files give the model's answers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gateway.errors import GatewayError
from gateway.export.formats import FORMATS
from gateway.export.parity import FileEngine, Parity, compare_export
from gateway.export.repository import network_file, write_configuration, write_metadata
from gateway.model.choice import EngineRules, open_torch
from gateway.model.opened_model import OpenedModel
from gateway.model.predictor import SHIPPED, read_model, stated
from gateway.model.profile import read_profile
from gateway.remote.contract import Network, classifier, lung_network


def export_model(
    path: Path | None,
    profile: Path | None,
    format_name: str,
    folder: Path,
    *,
    version: int = 1,
    images: int = 200,
    note: Callable[[], None] = lambda: None,
) -> dict[str, Parity]:
    """Write the networks into a new folder; return the differences from the model by PyTorch.

    Parameters
    ----------
    path, profile
        As of `Predictor.open`; with a profile the classifier is the fitted one.
    format_name
        `onnx`, `openvino` or `torchscript`.
    folder
        A model repository; it must not exist, or be empty.
    version
        Folder of the networks' version.
    images
        Number of computed images that are compared.
    note
        Called after each batch of the comparison.

    Raises
    ------
    ConfigurationError
        The model or the profile cannot be read, or a package is missing.
    GatewayError
        The folder is not empty, or the files do not give the model's answers; nothing is left there then.
    """
    if folder.exists() and any(folder.iterdir()):
        raise GatewayError(f"{folder} is not empty: name a new folder")
    card, weighed = read_model(path or SHIPPED)
    site = None if profile is None else read_profile(profile, card)
    if site is not None:
        weighed = weighed._replace(state=site.fit(weighed.state))
    fitted, _, _ = stated(card, site, None)
    format_ = FORMATS[format_name]
    networks = [(classifier(), weighed.state)]
    if weighed.lung_state is not None:
        networks.append((lung_network(), weighed.lung_state))
    metadata = {"model": card.name, "model_version": card.version, "weights_sha256": weighed.sha256}
    metadata |= {"lungs_sha256": weighed.lungs.sha256} if weighed.lungs else {}
    metadata |= {"profile_sha256": site.identity.sha256} if site else {}
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        runs = []
        for network, state in networks:
            file = network_file(draft, network, version, format_)
            file.parent.mkdir(parents=True)
            format_.write(network, state, metadata, file)
            runs.append(format_.run(network, file))
            note()
        biases = weighed.state["fc.bias"].astype(np.float32)
        engine = FileEngine(runs[0], runs[1] if len(runs) > 1 else None, biases)
        model = weighed.opened(open_torch(weighed, EngineRules(device="cpu")))
        exported = OpenedModel(engine, weighed.detector, weighed.lungs)
        parity = compare_export(exported, model, fitted, images, note)
        _check(parity)
        named: list[Network] = [network for network, _ in networks]
        write_configuration(draft, named, format_)
        figures = {name: each._asdict() for name, each in parity.items()}
        write_metadata(draft, {**metadata, "format": format_name, "precision": "float32", "parity": figures})
        draft.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return parity


def _check(parity: dict[str, Parity]) -> None:
    for name, each in parity.items():
        if not each.is_same:
            raise GatewayError(
                f"the exported networks differ on the {name} by {each.probability:.2g} in probability, "
                f"and {each.other_answers} answers are others: the export is not kept"
            )
