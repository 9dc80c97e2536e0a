"""Small plots as inline SVG, coloured by the style sheet: nothing is loaded, no script draws. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from gateway.web.pages.concordance import Calibration

_LEFT, _BOTTOM, _TOP, _RIGHT = 46, 22, 8, 10


class Frame(NamedTuple):
    """Ranges of a plot: `x` and `y` are (lowest, highest)."""

    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixel of a value."""
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        plot_width, plot_height = self.width - _LEFT - _RIGHT, self.height - _TOP - _BOTTOM
        return round(_LEFT + across * plot_width, 1), round(_TOP + (1 - up) * plot_height, 1)


def bars(counts: Sequence[int], labels: Mapping[int, str], title: str, width: int = 560) -> Markup:
    """Draw counts side by side; `labels` by position."""
    frame = Frame(width, 150, (0, len(counts)), (0, _round_up(max(counts, default=0))))
    drawn = [_y_axis(frame, (0, frame.y[1] / 2, frame.y[1]))]
    for number, count in enumerate(counts):
        left, top = frame.at(number + 0.08, count)
        right, bottom = frame.at(number + 0.92, 0)
        drawn.append(_rect(left, top, right - left, bottom - top, "bar", f"{labels.get(number, '')} {count}"))
    drawn += [_x_label(frame, number + 0.5, label) for number, label in labels.items()]
    return _svg(frame, title, drawn)


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    labels: Mapping[float, str],
    title: str,
    unit: str = "",
) -> Markup:
    """Draw one line for each name; points are (x, y), `labels` by x."""
    points = [point for line in series.values() for point in line]
    across = [x for x, _ in points] or [0, 1]
    frame = Frame(
        560, 150, (min(across), max(across)), (0, _round_up(max((y for _, y in points), default=0)))
    )
    drawn = [_y_axis(frame, (0, frame.y[1] / 2, frame.y[1]), unit)]
    for number, (name, line) in enumerate(series.items()):
        path = " ".join("{},{}".format(*frame.at(x, y)) for x, y in line)
        drawn.append(
            Markup('<polyline class="line line-{}" points="{}"><title>{}</title></polyline>').format(
                number, path, name
            )
        )
    drawn += [_x_label(frame, x, label) for x, label in labels.items()]
    return _svg(frame, title, drawn)


def heat(
    counts: Mapping[tuple[int, int], int], columns: Mapping[int, str], title: str, rows: int = 10
) -> Markup:
    """Draw how each column's images spread over tenths; the darker, the fewer of that column."""
    numbers = list(columns)
    frame = Frame(560, 130, (0, max(1, len(numbers))), (0, rows))
    drawn = [_y_axis(frame, (0, rows / 2, rows), labels=("0", "0.5", "1"))]
    for position, number in enumerate(numbers):
        whole = sum(counts.get((number, row), 0) for row in range(rows))
        for row in range(rows):
            count = counts.get((number, row), 0)
            if count:
                left, top = frame.at(position, row + 1)
                right, bottom = frame.at(position + 1, row)
                told = f"{columns[number]}: {count} of {whole} in {row / rows:g}–{(row + 1) / rows:g}"
                opacity = round(0.15 + 0.85 * count / whole, 2)
                drawn.append(_rect(left, top, right - left - 0.5, bottom - top - 0.5, "heat", told, opacity))
    drawn += [
        _x_label(frame, position + 0.5, columns[numbers[position]])
        for position in sorted({0, len(numbers) // 2, len(numbers) - 1})
        if numbers
    ]
    return _svg(frame, title, drawn)


def reliability(found: Calibration) -> Markup:
    """Draw what readers say against the score; on the diagonal both say the same."""
    frame = Frame(300, 280, (0, 1), (0, 1))
    ticks = (0, 0.5, 1)
    drawn = [_y_axis(frame, ticks), *(_x_label(frame, tick, f"{tick:g}") for tick in ticks)]
    (left, bottom), (right, top) = frame.at(0, 0), frame.at(1, 1)
    drawn.append(_line(left, bottom, right, top, "diagonal"))
    for each in found.bins:
        value, interval = each.found.value or 0.0, each.found.interval or (0.0, 0.0)
        x, y = frame.at(each.mean_score, value)
        drawn.append(_line(x, frame.at(0, interval[0])[1], x, frame.at(0, interval[1])[1], "whisker"))
        told = f"score {each.mean_score:.2f}: {each.found.part} of {each.found.whole}"
        drawn.append(
            Markup('<circle class="dot" cx="{}" cy="{}" r="5"><title>{}</title></circle>').format(x, y, told)
        )
    return _svg(frame, "Readers' findings by score", drawn)


def _svg(frame: Frame, title: str, drawn: Iterable[Markup]) -> Markup:
    opened = Markup(
        '<svg class="plot" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">'
    ).format(frame.width, frame.height, title)
    return opened + Markup().join(drawn) + Markup("</svg>")


def _rect(
    x: float, y: float, width: float, height: float, kind: str, told: str, opacity: float = 1
) -> Markup:
    return Markup(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}" fill-opacity="{}"><title>{}</title></rect>'
    ).format(kind, x, y, round(max(0, width), 1), round(max(0, height), 1), opacity, told)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(kind, x1, y1, x2, y2)


def _y_axis(frame: Frame, ticks: Sequence[float], unit: str = "", labels: Sequence[str] = ()) -> Markup:
    drawn = []
    for number, tick in enumerate(ticks):
        x, y = frame.at(frame.x[0], tick)
        label = labels[number] if labels else f"{tick:g}{unit}"
        drawn.append(_line(x, y, frame.width - _RIGHT, y, "grid"))
        drawn.append(
            Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(x - 6, y + 4, escape(label))
        )
    return Markup().join(drawn)


def _x_label(frame: Frame, x: float, label: str) -> Markup:
    across, bottom = frame.at(x, frame.y[0])
    anchor = "start" if across < _LEFT + 20 else "end" if across > frame.width - 40 else "middle"
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(across, bottom + 16, anchor, label)


def _round_up(value: float) -> float:
    """Return the next value that divides well in two."""
    if value <= 0:
        return 1
    magnitude = 1.0
    while magnitude < value:
        magnitude *= 10
    while magnitude / 10 >= value:
        magnitude /= 10
    return next(part * magnitude for part in (0.1, 0.2, 0.4, 0.6, 0.8, 1) if part * magnitude >= value)
