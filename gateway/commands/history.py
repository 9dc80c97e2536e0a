"""An image's history as text, for `gateway show`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gateway.peer_text import clean
from gateway.records import in_sentence
from gateway.results.answer import NOT_FITTED, percent_of, threshold_in_words
from gateway.store.queries.views import AnswerView, ImageView
from gateway.store.refusals import RefusalView

LONGEST_LINE = 10_000


def account_of(image: ImageView) -> str:
    """Return the lines that answer: what happened to this image, and why; safe for a terminal."""
    lines = [*_head(image), *_answer(image), *_results(image), *_events(image), ""]
    return "\n".join(clean(line, LONGEST_LINE) for line in lines)


def _head(image: ImageView) -> Iterator[str]:
    yield f"image      {image.sop_instance_uid}"
    yield f"study      {image.study_instance_uid}"
    asked = f", asked for at the source {image.pulled_from}" if image.pulled_from else ""
    yield f"from       {image.calling_ae_title} at {local(image.received_at)}{asked}"
    gone = _deleted(image.source_deleted_at)
    yield f"file       {image.source} ({image.size_bytes:,} bytes){gone}"
    yield f"state      {image.state} since {local(image.state_at)}"
    if image.reason:
        yield f"reason     {image.reason}: {image.detail}"


def _answer(image: ImageView) -> Iterator[str]:
    if not image.answer:
        return
    for answer in (image.answer, *image.others):
        yield f"answer     {answer.label}{_score(answer)}"
        if answer.abstained:
            yield f"           {answer.abstained}"
        model = answer.model
        yield f"model      {model.name} {model.version}, weights {(model.weights_sha256 or '?')[:16]}…"
        yield f"           {f'Fitted to {model.site}' if model.site else NOT_FITTED}"
    if image.answer.repaired:
        yield f"repaired   left empty, since malformed in the image: {', '.join(image.answer.repaired)}"
    yield from (f"{'pixels' if n == 0 else '':<10} {step}" for n, step in enumerate(image.answer.steps))


def _score(answer: AnswerView) -> str:
    if answer.score is None:
        return ""
    finding, threshold = in_sentence(answer.model.finding), answer.model.threshold
    if threshold is None:
        return f", probability of {finding} {100 * answer.score:.1f} %"
    score = percent_of(answer.score, threshold)
    return f", probability of {finding} {score:.1f} %, threshold {threshold_in_words(threshold)}"


def _deleted(time: datetime | None) -> str:
    return f", deleted at {local(time)}" if time else ""


def _earlier(superseded_at: datetime | None) -> str:
    return " (superseded)" if superseded_at else ""


def _results(image: ImageView) -> Iterator[str]:
    for result in image.results:
        earlier, deleted = _earlier(result.superseded_at), _deleted(result.deleted_at)
        yield f"{result.kind.upper():<10} {result.path}{earlier}{deleted}"
    for delivery in image.deliveries:
        error = f": {delivery.last_error}" if delivery.last_error else ""
        tries = f"{delivery.attempts} attempt{'' if delivery.attempts == 1 else 's'}"
        what = f"{delivery.kind.upper()} to {delivery.destination}{_earlier(delivery.superseded_at)}"
        yield f"delivery   {what}: {delivery.state}, {tries}{error}"


def _events(image: ImageView) -> Iterator[str]:
    day = ""
    for event in image.events:
        if (this_day := f"{event.time.astimezone():%Y-%m-%d %Z}") != day:
            yield this_day
            day = this_day
        told = {key: value for key, value in event.data.items() if value is not None}
        data = " ".join(f"{key}={shown(value)}" for key, value in told.items())
        yield f"{event.time.astimezone():%H:%M:%S.%f}"[:12] + f"  {event.event:<16} {data}"


def shown(value: Any) -> Any:
    """Return a value of an event as a person reads it: numbers with four digits."""
    if isinstance(value, dict):
        return {key: shown(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def refusal_of(row: RefusalView) -> str:
    """Return one refusal as a line, for `gateway refusals` and `gateway show`."""
    status = f" {row.status}" if row.status else ""
    times = f", {row.times} times since {local(row.first_at)}" if row.times > 1 else ""
    image = f" {row.sop_instance_uid}" if row.sop_instance_uid else ""
    who = f"{row.calling_ae_title or '?'}@{row.peer_address or '?'}"
    what = row.event.replace("_", " ")
    return f"{local(row.last_at)}  {what}{status}  {who}{image}: {row.reason}{times}"


def local(time: datetime) -> str:
    """Return a time as this machine's clock shows it, with its zone."""
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S %Z}"
