"""Makes the site profile of a model from a hospital's own images. `gateway commission` calls it.

Nothing is written before every check has passed. The profile's figures are those of cross-validation.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple, NoReturn

import numpy as np

from gateway.commissioning.candidates import (
    Candidate,
    Header,
    LeftOut,
    Sorted,
    as_inputs,
    decode_all,
    examine_headers,
    one_of_each_patient,
)
from gateway.commissioning.cross_validation import (
    LEAST,
    Odds,
    Scored,
    area_of,
    cross_validate,
    images_needed,
    own_scanners,
    part_of,
    specificity_of,
    spelled_alike,
    temperature_of,
    thresholds_at,
)
from gateway.commissioning.fitting import Fitting
from gateway.commissioning.given import Given
from gateway.commissioning.signs import check_apart, check_far_out, check_order
from gateway.errors import GatewayError
from gateway.files.atomic import create_for_all
from gateway.files.folders import leave_to_owner, make_folder, sync_folder
from gateway.imaging.eligibility import EligibilityRules
from gateway.model.abstention import reason_to_abstain
from gateway.model.card import ModelCard, Weights
from gateway.model.choice import EngineRules, Weighed, open_torch
from gateway.model.engines import Measured
from gateway.model.predictor import SHIPPED, Predictor, read_model
from gateway.model.profile import (
    PROFILE_NAME,
    STATISTICS_NAME,
    Figures,
    FittedModel,
    Images,
    Part,
    ProfileCard,
    ScannerThreshold,
    Scores,
    encode_statistics,
    sealed,
)
from gateway.model.reference import reference_answers
from gateway.model.weights import State
from gateway.worker.revision import SOFTWARE_VERSION

SHARES = (0.0, 1.0)
"""Shares of the site's statistics between which the site's own images decide: none, or all."""

STRANGE = 0.5
"""Specificity of the shipped model below which, without sick images, the statistics are the site's."""

ABSTAINED = "the model abstains"
QUANTILES = (5, 25, 50, 75, 95)
BATCH = 8

Progress = Callable[[int, int, str], None]  # done, total, activity


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a profile.

    Attributes
    ----------
    site
        The hospital's name.
    model
        As for `read_model`; None: the shipped model.
    rules
        Eligibility of the images.
    engine
        Chooses the engine that scores images by the model as it was shipped.
    specificity
        Share of the site's normal chests that the threshold is to leave negative, 0–1.
    share
        Share of the site's statistics in the normalisations, 0–1; None: the images decide.
    read_again
        Whether far-out images have been read again and are normal.
    """

    site: str
    model: Path | None
    rules: EligibilityRules
    engine: EngineRules
    specificity: float = 0.9
    share: float | None = None
    read_again: bool = False


class Evidence(NamedTuple):
    """The log-odds behind a profile's figures, and the thresholds, as log-odds too."""

    before: Scored
    after: Scored
    threshold_before: float
    threshold_after: float


class Commissioned(NamedTuple):
    """A profile, not yet written, with the content of its statistics, its evidence and images left out."""

    card: ProfileCard
    statistics: bytes
    evidence: Evidence
    left_out: tuple[LeftOut, ...]

    def write(self, folder: Path) -> str:
        """Write the profile into a new folder; return its SHA-256.

        The folder has its name once the profile is whole: who is killed before leaves a draft beside it.

        Raises
        ------
        GatewayError
            The folder exists, or cannot be written.
        """
        content, sha256 = sealed(self.card)
        draft = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
        try:
            make_folder(folder.parent)
            draft.mkdir()
            leave_to_owner(draft)
            create_for_all(draft / STATISTICS_NAME, self.statistics)
            create_for_all(draft / PROFILE_NAME, content)
            if folder.exists():  # an empty one would be replaced
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            draft.rename(folder)
            sync_folder(folder.parent)
        except OSError as error:
            rmtree(draft, ignore_errors=True)
            raise GatewayError(f"{folder}: {error.strerror}; state another folder by --out") from None
        return sha256


class _Site(NamedTuple):
    """The images in use, and their log-odds by the model as it was shipped."""

    normal: list[Candidate]
    sick: list[Candidate]
    before: Scored
    left_out: list[LeftOut]
    left_out_sick: list[LeftOut]

    @property
    def reasons(self) -> Counter[str]:
        """Number of images left out, by reason; that of an image given as sick says so."""
        normal = Counter(each.reason for each in self.left_out)
        return normal + Counter(f"{each.reason} (given as sick)" for each in self.left_out_sick)

    @property
    def names(self) -> list[str]:
        """The normal images as a person knows them."""
        return [each.name for each in self.normal]


def commission(
    normal: Sequence[Given], sick: Sequence[Given], request: Request, progress: Progress
) -> Commissioned:
    """Make a profile.

    Parameters
    ----------
    normal, sick
        Images that a reader calls normal, and images in which a reader sees the finding; `sick` may be empty.

    Raises
    ------
    GatewayError
        The images are too few, or not what they are given as; the sentence says which.
    ConfigurationError
        The model cannot be opened.
    """
    needed = images_needed(request.specificity)
    check_enough(len(normal), needed)
    usable, left_out = examine_headers(normal, request.rules)
    usable_sick, left_out_sick = examine_headers(sick, request.rules)
    first, same_patient = one_of_each_patient(usable)
    check_enough(len(first), needed, left_out + same_patient)
    check_some(len(sick), len(usable_sick), left_out_sick)
    card, model = read_model(SHIPPED if request.model is None else request.model)
    predictor = Predictor.open(request.model, request.engine)
    site = _measure(usable, usable_sick, predictor, request.rules, progress)
    site.left_out.extend(left_out)
    site.left_out_sick.extend(left_out_sick)
    check_enough(len(site.normal), needed, site.left_out)
    check_some(len(sick), len(site.sick), site.left_out_sick)
    check_far_out(site.names, site.before.normal, read_again=request.read_again)
    return _profile(site, card, model, request, progress)


def check_enough(count: int, needed: int, left_out: Sequence[LeftOut] = ()) -> None:
    """Refuse fewer normal images than a profile needs.

    Raises
    ------
    GatewayError
        There are fewer; every image that was left out is named, one line each.
    """
    if count >= needed:
        return
    least = f"at least {LEAST}, better 50" if needed == LEAST else f"at least {needed} at this specificity"
    told = f"{count} normal chest{'' if count == 1 else 's'} to use"
    _refuse(left_out, f"{told}: a site profile needs {least}, each of another patient")


def check_some(given: int, count: int, left_out: Sequence[LeftOut]) -> None:
    """Refuse sick images of which none can be used: the profile would look as if none had been given.

    Raises
    ------
    GatewayError
        As for `check_enough`.
    """
    if given and not count:
        _refuse(left_out, "no sick chest to use: give others, or none, and leave --sick out")


def _refuse(left_out: Sequence[LeftOut], why: str) -> NoReturn:
    raise GatewayError("\n".join([*(f"{each.name}: left out: {each.reason}" for each in left_out), why]))


def _measure(
    normal: Sequence[Header],
    sick: Sequence[Header],
    predictor: Predictor,
    rules: EligibilityRules,
    progress: Progress,
) -> _Site:
    """Decode the images, leave out those on which the model abstains, and look for signs of misuse."""
    total, done = len(normal) + len(sick), 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress(done, total, "images decoded")

    decoded = [decode_all(headers, rules, advance) for headers in (normal, sick)]
    check_apart(decoded[0].used, decoded[1].used)
    kept = [_known(each, predictor) for each in decoded]
    (normal_used, normal_odds, distances), (sick_used, sick_odds, _) = kept
    left_out, left_out_sick = (part.left_out for part in decoded)
    return _Site(normal_used, sick_used, Scored(normal_odds, sick_odds, distances), left_out, left_out_sick)


class _Answered(NamedTuple):
    """An image that the model answers, as the classifier sees it."""

    image: Candidate
    odds: float
    distance: float

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def patient(self) -> str:
        return self.image.patient


def _known(images: Sorted, predictor: Predictor) -> tuple[list[Candidate], Odds, Odds]:
    """Return the first image of each patient that the model answers, their log-odds and distances."""
    answered = []
    for start in range(0, len(images.used), BATCH):
        batch = images.used[start : start + BATCH]
        seen = predictor.look(as_inputs(batch))
        measured = predictor.measure_seen(seen.images)
        values = zip(measured.log_odds.tolist(), measured.ood.tolist(), seen.regions, strict=True)
        for each, image, (value, (distance, outlier), region) in zip(batch, seen.images, values, strict=True):
            if reason_to_abstain(value, distance, outlier, predictor.card.abstention, region):
                images.left_out.append(LeftOut(each.name, ABSTAINED))
            else:
                answered.append(_Answered(replace(each, grey=image[0].copy()), value, distance))
    used, same_patient = one_of_each_patient(answered)
    images.left_out.extend(same_patient)
    odds = np.array([each.odds for each in used], np.float64)
    distances = np.array([each.distance for each in used], np.float64)
    return [each.image for each in used], odds, distances


def _profile(
    site: _Site, card: ModelCard, model: Weighed, request: Request, progress: Progress
) -> Commissioned:
    """Fit the model to the images in use, look for signs of misuse once more, and describe the profile."""
    before_limit = card.log_odds(card.threshold)
    fitting, after = _fit(site, model, shares_to_try(site.before, before_limit, request.share), progress)
    read_again = check_far_out(site.names, after.normal, read_again=request.read_again)
    if len(after.sick):
        check_order(area_of(after.normal, after.sick).value)
    alike = spelled_alike([each.scanner for each in site.normal + site.sick])
    scanners, scanners_of_sick = alike[: len(site.normal)], alike[len(site.normal) :]
    own = own_scanners(scanners, images_needed(request.specificity))
    limits = thresholds_at(after.normal, scanners, request.specificity, own)
    temperature = temperature_of(after.normal, after.sick) if len(after.sick) >= LEAST else None
    fitted = card.model_copy(update={"temperature": temperature or card.temperature})
    statistics = fitting.statistics()
    content = encode_statistics(statistics, _reference(model, statistics))
    specificity = specificity_of(after.normal, scanners, request.specificity)
    profile = ProfileCard(
        site=request.site,
        made=datetime.now().astimezone().date(),
        software=SOFTWARE_VERSION,
        model=FittedModel.of(card),
        target_specificity=request.specificity,
        threshold=fitted.probability(limits.site),
        temperature=temperature,
        scanners={
            name: ScannerThreshold(threshold=fitted.probability(value), images=scanners.count(name))
            for name, value in limits.scanners.items()
        },
        share=fitting.share,
        distance=_distance(site.before, after, card),
        statistics=Weights(file=STATISTICS_NAME, sha256=hashlib.sha256(content).hexdigest()),
        images=_hashed(site),
        left_out=dict(site.reasons.most_common()),
        read_again=read_again,
        before=_before(site.before, before_limit),
        after=_figures(after, specificity, limits.of(scanners_of_sick)),
        scores=Scores(normal=tuple(map(fitted.probability, np.percentile(after.normal, QUANTILES)))),
    )
    evidence = Evidence(site.before, after, before_limit, limits.site)
    return Commissioned(profile, content, evidence, (*site.left_out, *site.left_out_sick))


def shares_to_try(before: Scored, limit: float, asked: float | None) -> tuple[float, ...]:
    """Return the shares to compare: one where sick images are too few to decide.

    Without them the statistics are the site's where the model as it was shipped calls most normal chests
    sick: it is not at home there. Where it is, its own statistics tell the classes apart better.
    """
    if asked is not None:
        return (asked,)
    if len(before.sick) >= LEAST:
        return SHARES
    return SHARES[1:] if (before.normal < limit).mean() < STRANGE else SHARES[:1]


def _fit(site: _Site, model: Weighed, shares: Sequence[float], progress: Progress) -> tuple[Fitting, Scored]:
    """Return the fit with the largest area under the ROC curve, the first one without sick images."""
    normal, sick = as_inputs(site.normal), as_inputs(site.sick)
    fits = []
    for share in shares:
        fitting = Fitting(model.state, model.detector, share)
        fits.append((fitting, cross_validate(fitting, normal, sick, progress)))
    return max(fits, key=lambda fit: area_of(fit[1].normal, fit[1].sick).value if site.sick else 0.0)


def _distance(before: Scored, after: Scored, card: ModelCard) -> float | None:
    """Return the limit of abstention, moved as far as the site's statistics move the normal chests."""
    middle = float(np.median(before.distances))
    if card.abstention is None or not middle:
        return None
    moved = float(np.median(after.distances)) / middle
    return round(card.abstention.distance * max(1.0, moved), 3)


def _reference(model: Weighed, statistics: State) -> Measured:
    """Return the measurements of the reference images by PyTorch on the processor, with the profile."""
    fitted = model._replace(state=model.state | statistics)
    return reference_answers(fitted.opened(open_torch(fitted, EngineRules(device="cpu")))).measured


def _hashed(site: _Site) -> Images:
    salt = secrets.token_hex(16)

    def hashed(images: Sequence[Candidate]) -> tuple[str, ...]:
        return tuple(sorted(hashlib.sha256(f"{salt}{each.key}".encode()).hexdigest() for each in images))

    return Images(salt=salt, normal=hashed(site.normal), sick=hashed(site.sick))


def _before(scored: Scored, limit: float) -> Figures:
    """Return the figures of the model as it was shipped, at its threshold as log-odds."""
    specificity = part_of(int((scored.normal < limit).sum()), len(scored.normal))
    return _figures(scored, specificity, np.full(len(scored.sick), limit))


def _figures(scored: Scored, specificity: Part, limits_of_sick: Odds) -> Figures:
    if not len(scored.sick):
        return Figures(specificity=specificity)
    found = part_of(int((scored.sick >= limits_of_sick).sum()), len(scored.sick))
    return Figures(specificity=specificity, sensitivity=found, auc=area_of(scored.normal, scored.sick))
