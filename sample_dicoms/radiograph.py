"""Simulates X-ray exposure of a detector, and a modality's processing of the signal. `samples` calls it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sample_dicoms.solids import Array

# Three effective energies of a filtered 120 kV beam: share of the signal and linear attenuation per mm at
# about 50, 65 and 90 keV of soft tissue, aerated lung (a quarter of its density), compact bone and lead.
BEAM = (
    (0.30, 0.0235, 0.0060, 0.0800, 8.0),
    (0.45, 0.0205, 0.0052, 0.0560, 4.0),
    (0.25, 0.0180, 0.0046, 0.0400, 7.0),
)
PATCHY = 0.025  # deviation of the lungs' density; more looks like disease, to the shipped model too


@dataclass(frozen=True)
class Paths:
    """Path lengths of each ray, mm, shape (rows, columns): body, lung and compact bone within it, lead."""

    tissue: Array
    lung: Array
    bone: Array
    marker: Array


def exposure(paths: Paths, spacing: float, seed: int, photons: float = 60_000.0) -> Array:
    """Return the signal of each detector element relative to the unattenuated beam, with scatter and noise.

    `photons` is the mean count of an element in the open beam; the noise is reproducible by `seed`.
    """
    rng = np.random.default_rng(seed)
    lung = paths.lung * (1 + PATCHY * texture(rng, paths.lung.shape, 1.5))
    tissue = np.maximum(paths.tissue - lung, 0) * (1 + 0.010 * texture(rng, paths.lung.shape, 1.4))
    primary = sum(
        (
            share * np.exp(-soft * tissue - aerated * lung - (bone - soft) * paths.bone - lead * paths.marker)
            for share, soft, aerated, bone, lead in BEAM
        ),
        np.zeros_like(lung),
    )
    primary = blur(primary, 0.4 / spacing)
    scattered = 0.45 * blur(primary, 25 / spacing) * (1 - np.exp(-paths.tissue / 60))
    count = photons * np.maximum(primary + scattered, 0)
    noisy = count + np.sqrt(count) * blur(rng.standard_normal(count.shape), 0.5)
    signal: Array = np.maximum(noisy, 1) / photons
    return signal


def density(signal: Array) -> Array:
    """Return the log response: 0 in the open beam, larger behind more matter."""
    return -np.log(signal)


def balanced(log_signal: Array, spacing: float, latitude: float = 0.4) -> Array:
    """Return local contrast with the overall range compressed, in standard deviations from the median."""
    coarse = blur(log_signal, 35 / spacing)
    fine = blur(log_signal, 1.6 / spacing)
    flattened = latitude * coarse + (log_signal - coarse) + 0.4 * (log_signal - fine)
    inside = flattened[log_signal > 0.2]
    scaled: Array = (flattened - np.median(inside)) / inside.std()
    return scaled


def film_curve(value: Array) -> Array:
    """Return brightness, 0 black to 1 white, for balanced values: the S of film."""
    brightness: Array = 0.9 / (1 + np.exp(-1.25 * value - 0.4))
    return brightness


def blur(image: Array, sigma: float) -> Array:
    """Blur by a Gaussian of `sigma` pixels, mirrored at the edges."""
    edge = min(int(4 * sigma) + 1, min(image.shape) - 1)
    padded = np.pad(image, edge, mode="reflect")
    gains = (np.exp(-2 * (np.pi * sigma * f) ** 2) for f in _frequencies(padded.shape))
    filtered = np.fft.irfft2(np.fft.rfft2(padded) * np.multiply(*gains), padded.shape)
    kept: Array = filtered[edge:-edge, edge:-edge]
    return kept


def texture(rng: np.random.Generator, shape: tuple[int, ...], slope: float) -> Array:
    """Return a random field of deviation 1 whose amplitude falls with frequency to the power of `slope`."""
    rows, columns = _frequencies(shape)
    falling = np.maximum(np.hypot(rows, columns), 8 / max(shape)) ** -slope
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * falling, shape)
    scaled: Array = field / field.std()
    return scaled


def _frequencies(shape: tuple[int, ...]) -> tuple[Array, Array]:
    rows: Array = np.fft.fftfreq(shape[0]).astype(np.float64)
    columns: Array = np.fft.rfftfreq(shape[1]).astype(np.float64)
    return rows[:, np.newaxis], columns[np.newaxis, :]
