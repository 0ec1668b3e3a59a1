"""The waves of one beat: P, QRS, ST and T as excursions of the heart vector.

Directions, and times but for what a population says, are the textbook's (activation of the septum to the right and the
front, of the left ventricle to the left, the feet and the back, of the base last; in a bundle branch block the blocked
ventricle last and slowly). QRS directions are in parts of the main vector; ``Heart.limb`` makes mV of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ecg.simulation.dipole import Wave, excursion, wave
from ecg.simulation.leads import measured_leads, twelve_leads
from ecg.simulation.population import LEFT, PACED, RIGHT, RIGHT_INCOMPLETE, UNSPECIFIC, USUAL

LEFT_FIRST = (LEFT, PACED)  # the septum is activated from the right: no septal wave, T against the QRS

Vector = tuple[float, float, float]
NOTHING: Vector = (0.0, 0.0, 0.0)

# How the QRS begins: the end in s and the direction of the first wave. Those of INFARCTS are pathologic Q waves.
BEGINNINGS: dict[str, tuple[float, Vector]] = {
    "septum": (0.040, (-0.10, -0.06, 0.30)),
    "posterior fascicle": (0.040, (-0.22, 0.36, 0.22)),
    "inferior": (0.056, (0.05, -0.56, 0.10)),
    "anterior": (0.060, (0.05, 0.00, -0.50)),
    "lateral": (0.056, (-0.54, -0.05, 0.20)),
}
INFARCTS = ("inferior", "anterior", "lateral")
# How it ends: the direction of the last wave.
ENDINGS: dict[str, Vector] = {
    USUAL: (-0.08, -0.10, -0.32),
    RIGHT_INCOMPLETE: (-0.20, 0.00, 0.26),
    RIGHT: (-0.42, 0.05, 0.55),
    UNSPECIFIC: (-0.12, -0.22, -0.25),
}
RIGHTWARD = (-0.75, -0.05, 0.05)  # the last wave where the axis is to the right: a deep S in I, V5 and V6


@dataclass(frozen=True)
class Heart:
    """What one person's beats look like.

    ``conduction``: how the ventricles are activated; ``beginning``: a key of BEGINNINGS, and its height and the
    ending's, in parts of the usual ones; ``beginning_turn`` and ``ending_turn``: what is added to their directions;
    ``main``: when the usual main wave is seen, and ``last``: from when on the last one is, s; ``axis``: of the QRS's
    net area in the frontal plane, degrees; ``leads``: what the leads show of the heart vector, (8, 3); ``limb``: the
    greatest swing of the QRS in a limb lead, mV; ``chest``: the most that it may be in a chest lead; ``chest_gain``:
    how much more than that the chest leads show. ``qrs``, ``pr``, ``qt``: s. ``p``: the height of P in its own
    direction, mV. ``t``: T's vector, mV; ``opening``: that of T's first half where it is biphasic; ``st``: that of the
    ST segment; ``ectopic``: that of premature ventricular beats at their peak. ``variety``: how far this person's
    waves are from anybody's, 0 to 1.
    """

    conduction: str
    beginning: str
    axis: float
    leads: np.ndarray = field(compare=False)
    limb: float
    chest: float
    main: tuple[float, float]
    last: float
    qrs: float
    pr: float
    qt: float
    p: float
    t: Vector
    beginning_height: float = 1.0
    ending_height: float = 1.0
    beginning_turn: Vector = NOTHING
    ending_turn: Vector = NOTHING
    chest_gain: float = 1.0
    variety: float = 0.0
    opening: Vector = NOTHING
    st: Vector = NOTHING
    ectopic: Vector = NOTHING


def scaled(vector: Sequence[float], factor: float) -> Vector:
    return tuple(float(factor * part) for part in vector)


def added(vector: Sequence[float], other: Sequence[float]) -> Vector:
    return tuple(float(a + b) for a, b in zip(vector, other))


def varied(waves: Sequence[Wave], variety: float, rng: np.random.Generator) -> list[Wave]:
    """``waves`` as one person has them: each a little earlier, longer, higher, elsewhere."""
    return [
        Wave(
            one.peak + 0.004 * variety * rng.normal(),
            one.rise * math.exp(0.12 * variety * rng.normal()),
            one.fall * math.exp(0.12 * variety * rng.normal()),
            _varied_vector(np.array(one.vector), variety, rng),
        )
        for one in waves
    ]


def _varied_vector(vector: np.ndarray, variety: float, rng: np.random.Generator) -> Vector:
    size = math.sqrt(sum(part**2 for part in vector.tolist()))
    scale = math.exp(0.2 * variety * rng.normal()) * np.exp(0.15 * variety * rng.normal(size=3))
    return added(vector * scale, 0.08 * variety * size * rng.normal(size=3))


def p_waves(height: float, pr: float) -> list[Wave]:
    """P from ``pr`` seconds before the QRS on: the right atrium to the front, then the left one to the back."""
    right, left = (0.42, 0.68, 0.45), (0.62, 0.50, -0.35)
    return [
        wave(-pr, -pr + 0.075, scaled(right, 0.75 * height)),
        wave(-pr + 0.028, -pr + 0.105, scaled(left, 0.75 * height)),
    ]


def ectopic_p_waves(height: float, pr: float, variety: float, rng: np.random.Generator) -> list[Wave]:
    """P of an atrial beat from low in the atria: upwards, inverted in II, III and aVF; with variety from anywhere."""
    direction = (0.25, -0.95, 0.3) if rng.random() >= 0.5 * variety else scaled(rng.normal(size=3), 0.6)
    return [wave(-pr, -pr + 0.085, scaled(direction, height))]


def qrs_waves(heart: Heart, rng: np.random.Generator) -> list[Wave]:
    """The QRS, from 0 s to ``heart.qrs``, turned to the heart's axis and scaled to its size."""
    beginning, main, ending = (varied(waves, heart.variety, rng) for waves in _activation(heart))
    # The axis is read from the net area, so the main waves make up for what beginning and ending do to it.
    net = sum(stage.area[0] for stage in main)
    rest = sum((stage.area for stage in beginning + ending), np.zeros(3)) / net
    angle = math.radians(heart.axis)
    frontal = np.array([math.cos(angle) - rest[0], math.sin(angle) - rest[1], 0])
    turned = [replace(stage, vector=scaled(frontal + [0, 0, stage.vector[2]], stage.vector[0])) for stage in main]
    return _sized(beginning + turned + ending, heart)


def _activation(heart: Heart) -> tuple[list[Wave], list[Wave], list[Wave]]:
    """The beginning, the main part and the ending of the QRS.

    The main part has no axis yet: its x is the strength of each wave, its z how far each points to the front.
    """
    end, direction = BEGINNINGS[heart.beginning]
    infarcted = heart.beginning in INFARCTS
    delay = 0.018 if infarcted else 0.0  # a pathologic Q holds the R wave up
    beginning = [wave(0, end, added(scaled(direction, heart.beginning_height), heart.beginning_turn))]
    if heart.conduction in LEFT_FIRST:
        middle = delay + 0.5 * heart.qrs
        main = [wave(delay, middle + 0.016, (0.85, 0, -0.45)), wave(middle - 0.026, heart.qrs, (1.0, 0, -0.95))]
        return (beginning if infarcted else []), main, []
    if heart.conduction == UNSPECIFIC:  # slow and notched, but from left to right as usual
        main = [
            wave(0.014 + delay, min(0.076 + delay, heart.qrs), (1.0, 0, -0.3)),
            wave(min(0.060 + delay, heart.qrs - 0.048), heart.qrs - 0.018, (0.6, 0, -0.4)),
        ]
        return beginning, main, [wave(heart.qrs - 0.048, heart.qrs, added(ENDINGS[UNSPECIFIC], heart.ending_turn))]
    main = [wave(heart.main[0] + delay, heart.main[1] + delay, (1.0, 0, -0.35))]
    ending = RIGHTWARD if heart.conduction == USUAL and heart.axis > 90 else ENDINGS[heart.conduction]
    last = min(heart.last + delay, heart.qrs - 0.03)
    return beginning, main, [wave(last, heart.qrs, added(scaled(ending, heart.ending_height), heart.ending_turn))]


def _sized(waves: list[Wave], heart: Heart) -> list[Wave]:
    """``waves`` as large as the heart's ``limb`` says, or less lest a chest lead exceed its ``chest``."""
    times = np.arange(-0.02, 0.25, 0.002)
    swing = np.ptp(twelve_leads(measured_leads(excursion(waves, times), heart.leads)), axis=1)
    factor = min(heart.limb / swing[:6].max(), heart.chest / swing[6:].max())
    return [replace(stage, vector=scaled(stage.vector, factor)) for stage in waves]


def t_waves(heart: Heart, rng: np.random.Generator) -> list[Wave]:
    """ST and T, with T's end (where the tangent to its fall meets the baseline, 2 standard deviations on) at QT.

    With variety some people have a U wave.
    """
    fall = 0.085 * heart.qt
    rise = 1.5 * fall * math.exp(0.15 * heart.variety * rng.normal())
    peak = heart.qt - 2 * fall
    waves = [
        wave(heart.qrs - 0.02, peak, heart.st),
        Wave(peak - 2.2 * fall, 0.9 * rise, fall, heart.opening),
        Wave(peak, rise, fall, heart.t),
    ]
    if rng.random() < 0.3 * heart.variety:
        waves.append(wave(heart.qt + 0.01, heart.qt + 0.16, scaled(heart.t, rng.uniform(0.05, 0.2))))
    return varied(waves, heart.variety, rng)


def ventricular_waves(heart: Heart, rng: np.random.Generator) -> list[Wave]:
    """A beat that begins in a ventricle: wide, notched, tall along ``heart.ectopic``, with ST and T against it."""
    width = 0.155 * math.exp(0.12 * heart.variety * rng.normal())
    peak = max(heart.qt - 0.05, width + 0.14)
    waves = [
        wave(0, 0.095, scaled(heart.ectopic, 0.7)),
        wave(0.040, width, heart.ectopic),
        wave(width - 0.03, peak, scaled(heart.ectopic, -0.1)),
        Wave(peak, 0.06, 0.045, scaled(heart.ectopic, -0.4)),
    ]
    return varied(waves, heart.variety, rng)


def pacing_spike(rate: float) -> Wave:
    """The pacemaker's impulse, just before the QRS; at ``rate`` Hz no wave is seen shorter than the samples are."""
    width = max(0.0008, 0.4 / rate)
    return Wave(-0.006, width, width, (-0.25, -0.8, 0.3))
