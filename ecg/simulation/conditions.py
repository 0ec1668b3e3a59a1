"""From labels to a heart and its rhythm, by the textbook's criteria, with values well inside them.

Labels can contradict each other (sinus rhythm and atrial fibrillation): the stronger one wins, as a reader of the
ECG would have it. Everything that the labels leave open is a person's own: normal, and different from the next one's.
"""

import math
from collections.abc import Set

import numpy as np

from ecg.simulation.beats import (
    INFARCTS,
    LEFT,
    LEFT_FIRST,
    PACED,
    RIGHT,
    RIGHT_INCOMPLETE,
    UNSPECIFIC,
    USUAL,
    Heart,
    Vector,
    scaled,
)
from ecg.simulation.rhythm import ATRIAL, FIBRILLATION, FLUTTER, SINUS, VENTRICULAR, Rhythm

# The first of these that is among the labels decides how the ventricles are activated; the QRS's width in s.
CONDUCTIONS = (
    ("PR", PACED, (0.155, 0.175)),
    ("LBBB", LEFT, (0.140, 0.165)),
    ("CRBBB", RIGHT, (0.136, 0.156)),
    ("NSIVCB", UNSPECIFIC, (0.122, 0.138)),
    ("IRBBB", RIGHT_INCOMPLETE, (0.106, 0.116)),
)
# The same for the QRS axis in degrees.
AXES = (("PR", (-80, -62)), ("LAnFB", (-70, -52)), ("LAD", (-50, -36)), ("RAD", (106, 126)))
INFARCT_AXES = {"inferior": (5, 30), "lateral": (60, 85)}  # the axis turns away from where muscle is lost
# And for the rate in beats a minute; the second range is that of atrial fibrillation.
RATES = (
    ("STach", (108, 138), (118, 145)),
    ("Brady", (36, 44), (38, 46)),
    ("SB", (47, 56), (48, 56)),
    ("SA", (64, 80), (70, 105)),
)
INVERSIONS: dict[str, Vector] = {  # where T points if it is inverted in this territory, in parts of its usual height
    "inferior": (0.55, -1.20, 0.30),
    "anterior": (0.07, 0.43, -0.86),
    "lateral": (-1.00, 0.18, -0.21),
}
NOTHING: Vector = (0.0, 0.0, 0.0)


def conditions(labels: Set[str], age: float | None, sex: str | None, rng: np.random.Generator) -> tuple[Heart, Rhythm]:
    """A heart and a rhythm with the signs of ``labels`` (abbreviations), for a person of ``age`` and ``sex``."""
    rhythm = _rhythm(labels, rng)
    return _heart(labels, 60.0 if age is None else age, sex, rhythm.interval, rng), rhythm


def _between(limits: tuple[float, float], rng: np.random.Generator) -> float:
    return float(rng.uniform(*limits))


def _rhythm(labels: Set[str], rng: np.random.Generator) -> Rhythm:
    rates = next((rates for label, *rates in RATES if label in labels), None)
    premature = (VENTRICULAR,) if "PVC" in labels else ()
    if "PR" in labels:
        rate = _between((50, 58) if labels & {"Brady", "SB"} else (62, 76), rng)
        return Rhythm(FIBRILLATION if "AF" in labels else SINUS, 60 / rate, irregularity=0, premature=premature)
    if "AFL" in labels:
        ratios = _flutter_ratios(labels, rng)
        cycle = _between((0.190, 0.215), rng)
        return Rhythm(FLUTTER, cycle * float(np.mean(ratios)), irregularity=0, ratios=ratios, premature=premature)
    if "AF" in labels:
        rate = _between(rates[1] if rates else (70, 105), rng)
        return Rhythm(FIBRILLATION, 60 / rate, irregularity=0.27, premature=premature)
    rate = _between(rates[0], rng) if rates else float(np.clip(rng.normal(74, 8), 63, 94))
    breathing = _between((0.16, 0.21) if "SA" in labels else (0.005, 0.025), rng)
    premature += (ATRIAL,) if "PAC" in labels else ()
    return Rhythm(SINUS, 60 / rate, irregularity=0.01, breathing=breathing, premature=premature)


def _flutter_ratios(labels: Set[str], rng: np.random.Generator) -> tuple[int, ...]:
    """How many flutter waves come to a beat; several where fibrillation is said to be there too."""
    if "AF" in labels:
        return (2, 3, 4)
    if "STach" in labels:
        return (2,)
    if labels & {"Brady", "SB"}:
        return (6,)
    return ((2,), (3,), (4,), (2, 4))[rng.integers(4)]


def _heart(labels: Set[str], age: float, sex: str | None, interval: float, rng: np.random.Generator) -> Heart:
    conduction, width = next(
        ((conduction, width) for label, conduction, width in CONDUCTIONS if label in labels), (USUAL, (0.082, 0.096))
    )
    beginning = "posterior fascicle" if "LAnFB" in labels else "septum"
    if "QAb" in labels:
        beginning = INFARCTS[rng.integers(len(INFARCTS))]
    qrs = _between(width, rng) + (0.018 if beginning in INFARCTS else 0.008 if "LAnFB" in labels else 0)
    usual_axis = float(np.clip(rng.normal(65 - 0.4 * (age - 30), 14), 5, 80))  # it turns to the left with age
    if beginning in INFARCT_AXES:
        usual_axis = _between(INFARCT_AXES[beginning], rng)
    axis = next((_between(limits, rng) for label, limits in AXES if label in labels), usual_axis)
    low = "LQRSV" in labels
    size = _between((0.32, 0.42) if low else (1.3, 1.8) if beginning in INFARCTS else (0.95, 1.6), rng)
    qtc = _between((0.505, 0.560) if "LQT" in labels else (0.390, 0.425), rng) + (0.010 if sex == "female" else 0)
    t, opening, st = _repolarisation(labels, conduction, axis, size, rng)
    return Heart(
        conduction=conduction,
        beginning=beginning,
        axis=axis,
        limb=size,
        chest=0.8 if low else 2.8,
        qrs=qrs,
        pr=min(_pr(labels, age, rng), 0.45 * interval),
        qt=qtc * math.sqrt(interval),  # Bazett's formula
        p=_between((0.09, 0.14), rng) * (0.7 if low else 1),
        t=t,
        opening=opening,
        st=st,
        ectopic=scaled(((0.35, 1.05, -0.8), (-0.6, -0.8, 0.7))[rng.integers(2)], size * _between((1.2, 1.6), rng)),
    )


def _pr(labels: Set[str], age: float, rng: np.random.Generator) -> float:
    """The PR interval in s. A block of first degree holds the beat up for longer than a mere prolonged interval."""
    if "IAVB" in labels:
        return _between((0.265, 0.320), rng)
    if "LPR" in labels:
        return _between((0.218, 0.240), rng)
    return _between((0.135, 0.165), rng) + 0.0002 * age


def _repolarisation(
    labels: Set[str], conduction: str, axis: float, size: float, rng: np.random.Generator
) -> tuple[Vector, Vector, Vector]:
    """T, its opening where it is biphasic, and ST (mV), for a QRS with ``axis`` (degrees) and ``size`` (mV)."""
    if conduction in LEFT_FIRST:  # secondary changes, against the QRS, whatever else there is
        angle = math.radians(axis)
        against = scaled((math.cos(angle), math.sin(angle), -0.75), -0.28 * size)
        return against, NOTHING, scaled(against, 0.35)
    angle = math.radians(float(np.clip(axis, 20, 60)) + rng.normal(0, 6))
    front = -0.35 if conduction == RIGHT else rng.uniform(0.15, 0.45)
    usual = (math.cos(angle), math.sin(angle), front)
    height = (0.07 + 0.19 * size) * _between((0.85, 1.2), rng)
    depressed = scaled(usual, -_between((0.06, 0.09), rng)) if "TAb" in labels else NOTHING
    if "TInv" in labels:
        territory = tuple(INVERSIONS)[rng.integers(len(INVERSIONS))]
        return scaled(INVERSIONS[territory], height * _between((1.0, 1.3), rng)), NOTHING, depressed
    if "TAb" in labels:
        if rng.random() < 0.5:  # flat
            return scaled(usual, 0.1 * height), NOTHING, depressed
        return scaled(usual, 0.45 * height), scaled(usual, -0.55 * height), NOTHING  # biphasic
    return scaled(usual, height), NOTHING, scaled(usual, _between((0.0, 0.03), rng))
