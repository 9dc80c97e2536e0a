"""The proof that a server answers with the model of the card, by the model's reference answers.

`replica` asks for it before a server's first answer counts, and again after every doubt. A server that is
proven goes on proving itself: every request holds one reference image more, at a random place, and no answer
counts unless that image's is right.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gateway.model.abstention import Detector
from gateway.model.card import LungNetwork, ModelCard
from gateway.model.engines import Floats, NetworkEngine, RawOutput, log_odds_of
from gateway.model.opened_model import OpenedModel
from gateway.model.reference import CELLS, LUNG_TOLERANCE, Reference, compare
from gateway.remote.contract import ACTIVATION, DESCRIPTION_OUTPUT, LUNGS, Network
from gateway.remote.encoding import Inferred
from gateway.remote.failures import NotANumber, Unlike
from gateway.remote.server import Transport

MOST_APART = 1e-4
"""Largest difference of a probability from the reference, of a server that computes in float32."""

TOLERANCES = {"float32": 0.001, "bfloat16": 0.05}
"""Largest difference of log-odds and scores, by precision; as of the engines on this machine."""


class RemoteModel(NamedTuple):
    """This side's part of a model whose networks are at a server.

    Attributes
    ----------
    classifier, lungs
        The networks as servers offer them; `lungs` is None of a model without a lung network.
    biases
        The classifier's `fc.bias`, which turns the mean of an activation map into log-odds.
    expected
        The reference answers.
    precision
        That in which the servers compute: `float32` or `bfloat16`.
    """

    card: ModelCard
    classifier: Network
    lungs: Network | None
    cut: LungNetwork | None
    detector: Detector | None
    biases: Floats
    expected: Reference
    precision: str

    @property
    def networks(self) -> list[Network]:
        """The networks at a server."""
        return [self.classifier, *([self.lungs] if self.lungs else [])]

    def is_same(self, found: np.float32, wanted: np.float32) -> bool:
        """Tell whether two log-odds stand for the same probability; in bfloat16 their tolerance decides."""
        apart = abs(self.card.probability(float(found)) - self.card.probability(float(wanted)))
        return self.precision != "float32" or apart <= MOST_APART

    def opened(self, engine: NetworkEngine) -> OpenedModel:
        """Return the model with an engine."""
        return OpenedModel(engine, self.detector, self.cut)


class UnprovenEngine:
    """The networks at a server, whatever they are; see `NetworkEngine`. Only the proof asks them."""

    on_gpu, passes_at_once = True, 1

    def __init__(self, model: RemoteModel, transport: Transport, name: str) -> None:
        self.name = name
        self.tolerance = TOLERANCES[model.precision]
        self.versions: dict[str, str] = {}  # of the models at the server
        self.seen: list[tuple[Floats, RawOutput]] = []
        self.marked: list[tuple[Floats, Floats]] = []
        self._model, self._transport = model, transport

    def run(self, images: Floats) -> RawOutput:
        """Return the output for n images; see `NetworkEngine`."""
        outputs = self._infer(self._model.classifier, images)
        activation = outputs[ACTIVATION]
        log_odds = log_odds_of(activation, self._model.biases)
        output = RawOutput(log_odds, activation, outputs[DESCRIPTION_OUTPUT])
        self.seen.append((images, output))
        return output

    def mark_lungs(self, images: Floats) -> Floats:
        """Return the probability of lung; see `NetworkEngine`."""
        if self._model.lungs is None:
            raise ValueError("the model has no lung network")
        marked = self._infer(self._model.lungs, images)[LUNGS]
        self.marked.append((images, marked))
        return marked

    def _infer(self, network: Network, images: Floats) -> Mapping[str, Floats]:
        inferred: Inferred = self._transport.infer(network, images)
        version = self.versions.setdefault(network.name, inferred.version)
        if inferred.version != version:
            raise Unlike(f"the version of its model {network.name} changed within the proof")
        return inferred.outputs


class ProvenEngine:
    """The networks at a server that has given the reference answers; see `NetworkEngine`.

    Every request is proven by its reference image: another model's answers, and those of other images,
    raise `Unlike`.
    """

    on_gpu, passes_at_once = True, 1

    def __init__(self, model: RemoteModel, transport: Transport, proof: UnprovenEngine) -> None:
        self.name, self.tolerance = proof.name, proof.tolerance
        self._model, self._transport = model, transport
        self._versions = dict(proof.versions)
        self._seen, self._marked = proof.seen[-1], proof.marked[-1] if proof.marked else None

    def run(self, images: Floats) -> RawOutput:
        """Return the output for n images; see `NetworkEngine`.

        Raises
        ------
        Away, Broke
        """
        inputs, expected = self._seen
        probe = random.randrange(len(inputs))  # noqa: S311 - no secret
        wanted = {ACTIVATION: expected.activation[probe], DESCRIPTION_OUTPUT: expected.description[probe]}
        outputs = self._infer(self._model.classifier, images, inputs[probe], wanted)
        activation = outputs[ACTIVATION]
        log_odds = log_odds_of(activation, self._model.biases)
        return RawOutput(log_odds, activation, outputs[DESCRIPTION_OUTPUT])

    def mark_lungs(self, images: Floats) -> Floats:
        """Return the probability of lung; see `NetworkEngine`.

        Raises
        ------
        Away, Broke
        """
        if self._model.lungs is None or self._marked is None:
            raise ValueError("the model has no lung network")
        inputs, expected = self._marked
        probe = random.randrange(len(inputs))  # noqa: S311 - no secret
        return self._infer(self._model.lungs, images, inputs[probe], {LUNGS: expected[probe]})[LUNGS]

    def _infer(
        self, network: Network, images: Floats, probe: Floats, wanted: Mapping[str, Floats]
    ) -> dict[str, Floats]:
        place = random.randint(0, len(images))  # noqa: S311 - no secret
        inferred = self._transport.infer(network, np.insert(images, place, probe, axis=0))
        if inferred.version != self._versions[network.name]:
            raise Unlike(f"its model {network.name} has another version than it was proven with")
        if not all(self._alike(name, inferred.outputs[name][place], wanted[name]) for name in wanted):
            raise Unlike(f"its model {network.name} no longer gives the reference answers")
        outputs = {name: np.delete(values, place, axis=0) for name, values in inferred.outputs.items()}
        if not all(np.isfinite(values).all() for values in outputs.values()):
            raise NotANumber(f"the output of its model {network.name} is not a number")
        return outputs

    def _alike(self, name: str, found: Floats, wanted: Floats) -> bool:
        """Tell whether a reference image has the answer by which the server was proven."""
        if name == ACTIVATION:
            apart = abs(float(found.mean()) - float(wanted.mean()))
            shift = self._model.biases[1] - self._model.biases[0]
            same = apart <= self.tolerance and self._model.is_same(
                found.mean() + shift, wanted.mean() + shift
            )
            return same and bool(np.allclose(found, wanted, rtol=0, atol=CELLS * self.tolerance))
        if name == LUNGS:
            return bool(np.allclose(found, wanted, rtol=0, atol=CELLS * LUNG_TOLERANCE))
        return bool(np.allclose(found, wanted, rtol=self.tolerance, atol=self.tolerance))


def prove(model: RemoteModel, transport: Transport, name: str) -> ProvenEngine:
    """Let a server answer the reference images; return the engine of its proven networks.

    Raises
    ------
    Unlike
        It differs from the reference answers.
    Away, Broke
    """
    engine = UnprovenEngine(model, transport, name)
    differences = compare(model.opened(engine), model.expected)
    pairs = zip(engine.seen[-1][1].log_odds, model.expected.measured.log_odds, strict=True)
    if not differences.within(engine.tolerance):
        raise Unlike(f"it differs from the reference answers ({differences}; allowed {engine.tolerance})")
    if not all(model.is_same(found, wanted) for found, wanted in pairs):
        raise Unlike(f"its probabilities differ from the reference by more than {MOST_APART}")
    return ProvenEngine(model, transport, engine)
