"""The rhythm: times and kinds of the beats, and atrial activity between them."""

import math
from dataclasses import dataclass

import numpy as np

SINUS, FIBRILLATION, FLUTTER = "sinus", "fibrillation", "flutter"
NORMAL, ATRIAL, VENTRICULAR = "normal", "premature atrial", "premature ventricular"
MARGIN = 2.5  # s of rhythm before and after the recording, so that waves cross its start and end
FIBRILLATION_FREQUENCIES = (5.0, 7.5)  # Hz
# The intervals before and after a premature beat, as fractions of the usual one. An atrial beat resets the sinus node,
# so the pause is short. A ventricular beat does not, so the pause is compensatory: the two fractions add up to 2.
PREMATURE_INTERVALS = {ATRIAL: (0.62, 1.15), VENTRICULAR: (0.55, 1.45)}
PREMATURE_FRACTION = 0.15  # fraction of beats that are premature in a rhythm with premature beats


@dataclass(frozen=True)
class Rhythm:
    """Parameters of a rhythm.

    ``atria``: SINUS, FIBRILLATION or FLUTTER. ``interval``: mean RR interval, s. ``irregularity``: standard deviation
    of the logarithm of the intervals. ``breathing``: amplitude of the respiratory variation of the intervals, as a
    fraction of their mean. ``conduction_ratios``: numbers of flutter waves per beat, one or several. ``premature``:
    kinds of premature beats.
    """

    atria: str
    interval: float
    irregularity: float
    breathing: float = 0.0
    conduction_ratios: tuple[int, ...] = ()
    premature: tuple[str, ...] = ()


@dataclass(frozen=True)
class Beat:
    """``onset``: start of the QRS, s from the start of the recording. ``kind``: NORMAL, ATRIAL or VENTRICULAR."""

    onset: float
    kind: str


def draw_beats(rhythm: Rhythm, seconds: float, variability: float, rng: np.random.Generator) -> list[Beat]:
    """The beats from MARGIN before to MARGIN after a recording of ``seconds``."""
    number = 2 + int(1.5 * (seconds + 2 * MARGIN) / rhythm.interval)
    intervals = _draw_intervals(rhythm, number, rng)
    kinds = [NORMAL] * number
    _insert_premature_beats(rhythm, kinds, intervals, seconds, variability, rng)
    onsets = np.cumsum(intervals) - MARGIN - rng.uniform(0, rhythm.interval)
    return [Beat(onset, kind) for onset, kind in zip(onsets.tolist(), kinds) if onset < seconds + MARGIN]


def _draw_intervals(rhythm: Rhythm, number: int, rng: np.random.Generator) -> np.ndarray:
    """The interval (number,) in s before each beat, without premature beats."""
    if rhythm.atria == FLUTTER:
        cycle = rhythm.interval / np.mean(rhythm.conduction_ratios)
        return cycle * rng.choice(rhythm.conduction_ratios, number) * np.exp(0.01 * rng.normal(size=number))
    phase_step = 2 * math.pi * rhythm.interval / rng.uniform(3.5, 4.5)  # of breathing, per beat; one breath: about 4 s
    breathing = rhythm.breathing * np.sin(phase_step * np.arange(number) + rng.uniform(0, 2 * math.pi))
    scatter = np.exp(rhythm.irregularity * rng.normal(size=number))
    return np.clip(rhythm.interval * (1 + breathing) * scatter, 0.3, 2.4)


def _insert_premature_beats(
    rhythm: Rhythm,
    kinds: list[str],
    intervals: np.ndarray,
    seconds: float,
    variability: float,
    rng: np.random.Generator,
) -> None:
    """Make some beats premature, in place.

    No two premature beats are adjacent. Each kind has at least one beat, near the middle of the recording.
    """
    usual, plans = rhythm.interval, []
    for kind in rhythm.premature:
        before, after = PREMATURE_INTERVALS[kind]
        shift = variability * rng.uniform(-0.12, 0.20)  # the same for all such beats of one person
        before, after = before + shift, after - (shift if kind == VENTRICULAR else 0)
        middle = int((MARGIN + rng.uniform(0.4, 0.6) * seconds) / usual)
        chosen = rng.random(len(kinds)) < PREMATURE_FRACTION * (1 + variability * rng.uniform(-1, 1))
        plans.append((kind, before, after, middle, np.flatnonzero(chosen).tolist()))

    def is_free(index: int) -> bool:
        return 1 <= index < len(kinds) - 1 and kinds[index - 1 : index + 2] == [NORMAL] * 3

    def insert(kind: str, before: float, after: float, index: int) -> None:
        kinds[index] = kind
        intervals[index] = before * usual * math.exp(0.04 * variability * rng.normal())
        intervals[index + 1] = after * usual

    for kind, before, after, middle, _ in plans:
        nearest = min(filter(is_free, range(len(kinds))), key=lambda index: abs(index - middle))
        insert(kind, before, after, nearest)
    for kind, before, after, _, indices in plans:
        for index in filter(is_free, indices):
            insert(kind, before, after, index)


def atrial_waves(rhythm: Rhythm, times: np.ndarray, variability: float, rng: np.random.Generator) -> np.ndarray:
    """The heart vector (3, times) in mV of fluttering or fibrillating atria."""
    if rhythm.atria == FLUTTER:
        phase = 2 * math.pi * (times * np.mean(rhythm.conduction_ratios) / rhythm.interval + rng.random())
        # The first terms of a sawtooth that falls slowly and rises fast in II, III and aVF, and inversely in V1.
        sawtooth = sum(np.sin(term * phase) / term**1.2 for term in (1, 2, 3))
        direction = np.array([-0.01, 0.14, -0.06]) + 0.03 * variability * rng.normal(size=3)
        return np.outer(direction, rng.uniform(1.0 - 0.6 * variability, 1.3) * sawtooth)
    vector = np.zeros((3, len(times)))
    size = math.exp(0.5 * variability * rng.normal())
    for _ in range(3):  # fibrillatory wavelets: a fixed direction; frequency and amplitude vary slowly
        direction = size * np.array([-0.015, 0.018, 0.022]) + 0.014 * rng.normal(size=3)
        phase_shift = _slow_sine(times, rng.uniform(0.2, 0.5), rng)
        amplitude = 1 + 0.5 * _slow_sine(times, rng.uniform(0.3, 0.7), rng)
        wavelet = amplitude * np.sin(2 * math.pi * rng.uniform(*FIBRILLATION_FREQUENCIES) * times + 1.5 * phase_shift)
        vector += np.outer(direction, wavelet)
    return vector


def _slow_sine(times: np.ndarray, frequency: float, rng: np.random.Generator) -> np.ndarray:
    return np.sin(2 * math.pi * (frequency * times + rng.random()))
