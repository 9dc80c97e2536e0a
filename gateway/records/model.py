"""Identity of a model, and what its scores mean."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.records.states import UNDETERMINED, Presence
from gateway.records.uids import uid_from


@dataclass(frozen=True, slots=True)
class Finding:
    """The finding that a model looks for, as a code of a coding scheme (PS3.3 8.8)."""

    code: str
    scheme: str
    meaning: str

    @property
    def in_sentence(self) -> str:
        """The meaning within a sentence: `pneumonia`, but `COVID-19 pneumonia`."""
        return in_sentence(self.meaning)


@dataclass(frozen=True, slots=True)
class LungNetworkIdentity:
    """Identity of the network that finds the lungs: the SHA-256 of its weights, and the use of its mask.

    `region` and `margin` are those of the model card.
    """

    weights_sha256: str
    region: str
    margin: float


@dataclass(frozen=True, slots=True)
class FittedSite:
    """The site to which a profile has fitted a model; see `gateway.model.profile`.

    Attributes
    ----------
    name
        The hospital's name.
    made
        Date of the profile, ISO 8601.
    sha256
        Hexadecimal SHA-256 of the profile.
    thresholds
        Scanner (manufacturer and model) and its own threshold, 0–1; other scanners have the model's.
    """

    name: str
    made: str
    sha256: str
    thresholds: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        return f"{self.name}, {self.made}, SHA-256 {self.sha256}"


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Identity of a model, and the classes between which it decides.

    Attributes
    ----------
    name, version
        As on the model card.
    weights_sha256
        Hexadecimal SHA-256 of the weights file.
    threshold
        Score at and above which the finding counts as present, 0–1.
    calibration
        How logits became a probability, in words (`none`, `temperature 1.31`).
    negative, positive
        Names of the classes without and with the finding.
    finding
        As on the model card.
    abstention
        Limits beyond which the model gives no answer, in words.
    engine
        Program and precision that compute the answer (`OpenVINO float32`).
    lungs
        The lung network; None where the classifier sees whole images.
    site
        The site to which a profile has fitted the model; None: the model is as it was shipped.
    """

    name: str
    version: str
    weights_sha256: str
    threshold: float
    calibration: str
    negative: str
    positive: str
    finding: Finding
    abstention: str = "none"
    engine: str = "PyTorch float32"
    lungs: LungNetworkIdentity | None = None
    site: FittedSite | None = None

    def presence(self, score: float | None) -> Presence:
        """Return what a score says of the finding; None is an abstention."""
        if score is None:
            return Presence.UNDETERMINED
        return Presence.PRESENT if score >= self.threshold else Presence.ABSENT

    def label(self, score: float | None) -> str:
        """Return the class that a score stands for."""
        names = {Presence.PRESENT: self.positive, Presence.ABSENT: self.negative}
        return names.get(self.presence(score), UNDETERMINED)

    def probabilities(self, score: float | None) -> dict[str, float] | None:
        """Return both classes' probabilities by name, 0–1, or None of an abstention."""
        return probabilities(self.negative, self.positive, score)

    @property
    def device_uid(self) -> str:
        """Device UID of the algorithm: another one whenever weights or profile change (PS3.3 C.12.1.1.5)."""
        lungs = [self.lungs.weights_sha256] if self.lungs else []
        profile = [f"profile {self.site.sha256}"] if self.site else []
        return uid_from("|".join(["device", self.name, self.version, self.weights_sha256, *lungs, *profile]))

    def for_scanner(self, scanner: str) -> ModelIdentity:
        """Return the identity with the scanner's own threshold, where the site's profile has one.

        Capitals make no other scanner, unless an earlier profile has a threshold for each spelling.
        """
        thresholds = self.site.thresholds if self.site else ()
        own = {name.casefold(): value for name, value in thresholds} | dict(thresholds)
        return replace(self, threshold=own.get(scanner, own.get(scanner.casefold(), self.threshold)))


def in_sentence(meaning: str) -> str:
    """Return a term without its capital, unless it begins with an abbreviation."""
    return meaning if meaning[1:2].isupper() else meaning[:1].lower() + meaning[1:]


def probabilities(negative: str | None, positive: str | None, score: float | None) -> dict[str, float] | None:
    """Return the probabilities of two classes by name, 0–1; None where there is no score."""
    if negative is None or positive is None or score is None:
        return None
    return {negative: 1 - score, positive: score}
