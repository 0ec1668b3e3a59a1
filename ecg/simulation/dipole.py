"""The heart as one moving dipole: a vector that every wave of every beat adds to.

Axes, seen from the patient: x to the left, y to the feet, z to the front. Vectors are in mV, scaled so that x is
what lead I shows of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

REACH = 5  # standard deviations after which a bell has died away (to 4e-6 of its height)
SEEN = 2.2  # standard deviations from its peak after which a bell is seen no more (9 % of its height)


@dataclass(frozen=True)
class Wave:
    """One bell-shaped excursion of the heart vector.

    ``peak`` is in s after the beat's QRS onset; ``rise`` and ``fall`` are the bell's standard deviations in s before
    and after the peak; ``vector`` is (x, y, z) in mV at the peak.
    """

    peak: float
    rise: float
    fall: float
    vector: tuple[float, float, float]

    @property
    def area(self) -> np.ndarray:
        """The time integral (3,), up to the factor that all bells share."""
        return np.array(self.vector) * (self.rise + self.fall) / 2


def wave(start: float, end: float, vector: Sequence[float]) -> Wave:
    """A symmetric wave that is seen from ``start`` to ``end`` (s)."""
    width = (end - start) / (2 * SEEN)
    return Wave((start + end) / 2, width, width, tuple(vector))


def excursion(waves: Iterable[Wave], times: np.ndarray) -> np.ndarray:
    """The heart vector (3, times) that ``waves`` make at ``times`` (s after the QRS onset)."""
    vector = np.zeros((3, len(times)))
    for one in waves:
        distance = times - one.peak
        bell = np.exp(-0.5 * (distance / np.where(distance < 0, one.rise, one.fall)) ** 2)
        vector += np.outer(one.vector, bell)
    return vector


def heart_vector(beats: Iterable[tuple[float, Sequence[Wave]]], rate: float, samples: int) -> np.ndarray:
    """The heart vector (3, samples) of ``beats``, each the time of its QRS onset (s) and its waves."""
    vector = np.zeros((3, samples))
    for onset, waves in beats:
        first = min(one.peak - REACH * one.rise for one in waves)
        last = max(one.peak + REACH * one.fall for one in waves)
        begin, end = (min(max(int((onset + edge) * rate), 0), samples) for edge in (first, last))
        vector[:, begin:end] += excursion(waves, np.arange(begin, end) / rate - onset)
    return vector
