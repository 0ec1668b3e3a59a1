"""When beats come, where each begins, and what the atria do between them."""

import math
from dataclasses import dataclass

import numpy as np

SINUS, FIBRILLATION, FLUTTER = "sinus", "fibrillation", "flutter"
NORMAL, ATRIAL, VENTRICULAR = "normal", "premature atrial", "premature ventricular"
LEAD_IN = 2.5  # s of rhythm before and after the recording, so that it begins and ends amid waves
FIBRILLATION_WAVES = (5.0, 7.5)  # Hz
# A premature beat comes after this part of the usual interval, the next beat after that part: the sinus node is reset
# by an atrial beat (a short pause), not by a ventricular one (a compensatory pause: the two make 2).
PREMATURE = {ATRIAL: (0.62, 1.15), VENTRICULAR: (0.55, 1.45)}
FREQUENCY = 0.15  # the part of beats that are premature where the rhythm has such beats


@dataclass(frozen=True)
class Rhythm:
    """``atria``: SINUS, FIBRILLATION or FLUTTER.

    ``interval``: the mean time between beats in s. ``irregularity``: the standard deviation of the intervals'
    logarithm. ``breathing``: the swing of the intervals with the breath, as a part of their mean, to either side.
    ``ratios``: in flutter, the atrial waves to a beat, one or several. ``premature``: the kinds of early beats.
    """

    atria: str
    interval: float
    irregularity: float
    breathing: float = 0.0
    ratios: tuple[int, ...] = ()
    premature: tuple[str, ...] = ()


@dataclass(frozen=True)
class Beat:
    """``onset`` of the QRS in s from the recording's start; ``kind``: NORMAL, ATRIAL or VENTRICULAR."""

    onset: float
    kind: str


def beats(rhythm: Rhythm, seconds: float, variety: float, rng: np.random.Generator) -> list[Beat]:
    """The beats from LEAD_IN before a recording of ``seconds`` to LEAD_IN after it."""
    number = 2 + int(1.5 * (seconds + 2 * LEAD_IN) / rhythm.interval)
    intervals = _intervals(rhythm, number, rng)
    kinds = [NORMAL] * number
    _put_premature(rhythm, kinds, intervals, seconds, variety, rng)
    onsets = np.cumsum(intervals) - LEAD_IN - rng.uniform(0, rhythm.interval)
    return [Beat(onset, kind) for onset, kind in zip(onsets.tolist(), kinds) if onset < seconds + LEAD_IN]


def _intervals(rhythm: Rhythm, number: int, rng: np.random.Generator) -> np.ndarray:
    """The time before each beat (number,) in s, without premature beats."""
    if rhythm.atria == FLUTTER:  # every second, third ... flutter wave is conducted
        cycle = rhythm.interval / np.mean(rhythm.ratios)
        return cycle * rng.choice(rhythm.ratios, number) * np.exp(0.01 * rng.normal(size=number))
    breath = 2 * math.pi * rhythm.interval / rng.uniform(3.5, 4.5)  # the part of a breath that passes between beats
    swing = rhythm.breathing * np.sin(breath * np.arange(number) + rng.uniform(0, 2 * math.pi))
    scatter = np.exp(rhythm.irregularity * rng.normal(size=number))
    return np.clip(rhythm.interval * (1 + swing) * scatter, 0.3, 2.4)


def _put_premature(
    rhythm: Rhythm,
    kinds: list[str],
    intervals: np.ndarray,
    seconds: float,
    variety: float,
    rng: np.random.Generator,
) -> None:
    """Makes some beats premature, in place: never two in succession, of each kind one near the recording's middle."""
    usual, drawn = rhythm.interval, []
    for kind in rhythm.premature:
        early, late = PREMATURE[kind]
        later = variety * rng.uniform(-0.12, 0.20)  # in one person always about as early
        early, late = early + later, late - (later if kind == VENTRICULAR else 0)
        middle = int((LEAD_IN + rng.uniform(0.4, 0.6) * seconds) / usual)
        wanted = rng.random(len(kinds)) < FREQUENCY * (1 + variety * rng.uniform(-1, 1))
        drawn.append((kind, early, late, middle, np.flatnonzero(wanted).tolist()))

    def free(place: int) -> bool:
        return 1 <= place < len(kinds) - 1 and kinds[place - 1 : place + 2] == [NORMAL] * 3

    def put(kind: str, early: float, late: float, place: int) -> None:
        kinds[place] = kind
        intervals[place] = early * usual * math.exp(0.04 * variety * rng.normal())
        intervals[place + 1] = late * usual

    for kind, early, late, middle, _ in drawn:
        put(kind, early, late, min(filter(free, range(len(kinds))), key=lambda place: abs(place - middle)))
    for kind, early, late, _, wanted in drawn:
        for place in filter(free, wanted):
            put(kind, early, late, place)


def atrial_waves(rhythm: Rhythm, times: np.ndarray, variety: float, rng: np.random.Generator) -> np.ndarray:
    """The heart vector (3, times) in mV of atria that flutter or fibrillate."""
    if rhythm.atria == FLUTTER:
        phase = 2 * math.pi * (times * np.mean(rhythm.ratios) / rhythm.interval + rng.random())
        # the first terms of a sawtooth that falls slowly and climbs fast: in II, III and aVF, the other way in V1
        sawtooth = sum(np.sin(term * phase) / term**1.2 for term in (1, 2, 3))
        direction = np.array([-0.01, 0.14, -0.06]) + 0.03 * variety * rng.normal(size=3)
        return np.outer(direction, rng.uniform(1.0 - 0.6 * variety, 1.3) * sawtooth)
    vector = np.zeros((3, len(times)))
    size = math.exp(0.5 * variety * rng.normal())
    for _ in range(3):  # wavelets that wander, each with a direction, and a frequency and a strength that change
        direction = size * np.array([-0.015, 0.018, 0.022]) + 0.014 * rng.normal(size=3)
        bend = _sway(times, rng.uniform(0.2, 0.5), rng)
        strength = 1 + 0.5 * _sway(times, rng.uniform(0.3, 0.7), rng)
        wavelet = strength * np.sin(2 * math.pi * rng.uniform(*FIBRILLATION_WAVES) * times + 1.5 * bend)
        vector += np.outer(direction, wavelet)
    return vector


def _sway(times: np.ndarray, frequency: float, rng: np.random.Generator) -> np.ndarray:
    return np.sin(2 * math.pi * (frequency * times + rng.random()))
