"""The heart as one moving dipole: its vector is the sum of the waves of all beats.

Axes, as seen from the patient: x to the left, y to the feet, z to the front. Vectors are in mV, scaled so that lead I
shows x.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

CUTOFF = 5  # a wave is cut off this many standard deviations from its peak (at 4e-6 of its height)
VISIBLE = 2.2  # a wave is visible up to this many standard deviations from its peak (9 % of its height)

Vector = tuple[float, float, float]


def as_vector(values: Iterable[float]) -> Vector:
    x, y, z = map(float, values)
    return x, y, z


def scale(vector: Iterable[float], factor: float) -> Vector:
    return as_vector(factor * value for value in vector)


def add(vector: Iterable[float], other: Iterable[float]) -> Vector:
    return as_vector(a + b for a, b in zip(vector, other))


@dataclass(frozen=True)
class Wave:
    """One bell-shaped excursion of the heart vector.

    ``peak``: time after the QRS onset of the beat, s. ``rise`` and ``fall``: standard deviations of the bell before and
    after the peak, s. ``vector``: the heart vector at the peak, mV.
    """

    peak: float
    rise: float
    fall: float
    vector: Vector

    @property
    def area(self) -> np.ndarray:
        """The time integral (3,), up to a factor that all waves share."""
        return np.array(self.vector) * (self.rise + self.fall) / 2


def symmetric_wave(start: float, end: float, vector: Vector) -> Wave:
    """A symmetric wave that is visible from ``start`` to ``end`` (s)."""
    width = (end - start) / (2 * VISIBLE)
    return Wave((start + end) / 2, width, width, vector)


def beat_vector(waves: Iterable[Wave], times: np.ndarray) -> np.ndarray:
    """The heart vector (3, times) of one beat with ``waves``, at ``times`` (s after the QRS onset)."""
    vector = np.zeros((3, len(times)))
    for wave in waves:
        distance = times - wave.peak
        bell = np.exp(-0.5 * (distance / np.where(distance < 0, wave.rise, wave.fall)) ** 2)
        vector += np.outer(wave.vector, bell)
    return vector


def heart_vector(beats: Iterable[tuple[float, Sequence[Wave]]], rate: float, samples: int) -> np.ndarray:
    """The heart vector (3, samples) of ``beats``, pairs of QRS onset (s) and waves, at ``rate`` Hz."""
    vector = np.zeros((3, samples))
    for onset, waves in beats:
        first = min(wave.peak - CUTOFF * wave.rise for wave in waves)
        last = max(wave.peak + CUTOFF * wave.fall for wave in waves)
        begin, end = (min(max(int((onset + edge) * rate), 0), samples) for edge in (first, last))
        vector[:, begin:end] += beat_vector(waves, np.arange(begin, end) / rate - onset)
    return vector
