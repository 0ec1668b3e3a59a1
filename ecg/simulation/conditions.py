"""From labels to a heart and its rhythm: what a label means is the textbook's, how much of it a population's.

Labels can contradict each other (sinus rhythm and atrial fibrillation): the stronger one wins, as a reader of the
ECG would have it. Everything that the labels leave open is a person's own: normal, and different from the next one's.
"""

import math
from collections.abc import Iterable, Set

import numpy as np

from ecg.simulation.beats import INFARCTS, LEFT_FIRST, NOTHING, Heart, Vector, added, scaled
from ecg.simulation.population import LEFT, RIGHT, RIGHT_INCOMPLETE, USUAL, Population, Range
from ecg.simulation.rhythm import ATRIAL, FIBRILLATION, FLUTTER, SINUS, VENTRICULAR, Rhythm

INVERSIONS: dict[str, Vector] = {  # where T points if it is inverted in this territory, in parts of its usual height
    "inferior": (0.55, -1.20, 0.30),
    "anterior": (0.07, 0.43, -0.86),
    "lateral": (-1.00, 0.18, -0.21),
}
ECTOPIC: tuple[Vector, Vector] = ((0.35, 1.05, -0.8), (-0.6, -0.8, 0.7))  # from the right ventricle, from the left one


def conditions(
    labels: Set[str], age: float | None, sex: str | None, population: Population, rng: np.random.Generator
) -> tuple[Heart, Rhythm]:
    """A heart and a rhythm with the signs of ``labels`` (abbreviations), for a person of ``age`` and ``sex``."""
    rhythm = _rhythm(labels, population, rng)
    return _heart(labels, 60.0 if age is None else age, sex, rhythm.interval, population, rng), rhythm


def _between(limits: Range, rng: np.random.Generator) -> float:
    return float(rng.uniform(*limits))


def _first(table: Iterable[tuple], labels: Set[str]) -> tuple | None:
    """What a table says of the first of its labels that is there."""
    return next((rest for label, *rest in table if label in labels), None)


def _rhythm(labels: Set[str], population: Population, rng: np.random.Generator) -> Rhythm:
    rates = _first(population.rates, labels)
    premature = (VENTRICULAR,) if "PVC" in labels else ()
    if "PR" in labels:
        slow, usual = population.paced_rates
        rate = _between(slow if labels & {"Brady", "SB"} else usual, rng)
        return Rhythm(FIBRILLATION if "AF" in labels else SINUS, 60 / rate, irregularity=0, premature=premature)
    if "AFL" in labels:
        ratios = _flutter_ratios(labels, rng)
        cycle = _between(population.flutter_cycle, rng)
        return Rhythm(FLUTTER, cycle * float(np.mean(ratios)), irregularity=0, ratios=ratios, premature=premature)
    if "AF" in labels:
        irregularity = _between(population.fibrillation_irregularity, rng)
        return Rhythm(FIBRILLATION, 60 / _between(rates[1], rng), irregularity, premature=premature)
    if rates:
        rate = _between(rates[0], rng)
    else:
        mean, deviation, lowest, highest = population.usual_rate
        rate = float(np.clip(rng.normal(mean, deviation), lowest, highest))
    breathing = _between(population.arrhythmia if "SA" in labels else population.breathing, rng)
    premature += (ATRIAL,) if "PAC" in labels else ()
    return Rhythm(SINUS, 60 / rate, _between(population.irregularity, rng), breathing, premature=premature)


def _flutter_ratios(labels: Set[str], rng: np.random.Generator) -> tuple[int, ...]:
    """How many flutter waves come to a beat; several where fibrillation is said to be there too."""
    if "AF" in labels:
        return (2, 3, 4)
    if "STach" in labels:
        return (2,)
    if labels & {"Brady", "SB"}:
        return (6,)
    return ((2,), (3,), (4,), (2, 4), (2, 3, 4), (3, 4, 5))[rng.integers(6)]


def _heart(
    labels: Set[str], age: float, sex: str | None, interval: float, population: Population, rng: np.random.Generator
) -> Heart:
    conduction, width = _first(population.conductions, labels) or (USUAL, population.usual_width)
    beginning = "posterior fascicle" if "LAnFB" in labels else "septum"
    if "QAb" in labels:
        beginning = INFARCTS[rng.choice(len(INFARCTS), p=[population.infarct_places[place] for place in INFARCTS])]
    infarcted, low = beginning in INFARCTS, "LQRSV" in labels
    longer = 0.018 if infarcted else 0.008 if "LAnFB" in labels else 0
    mean, deviation, lowest, highest = population.usual_axis
    usual_mean = mean - 0.4 * (age - 30)  # to the left with age
    usual_axis = float(np.clip(rng.normal(usual_mean, deviation), lowest, highest))
    if beginning in population.infarct_axes:
        usual_axis = _between(population.infarct_axes[beginning], rng)
    of_label = _first(population.axes, labels)
    axis = _between(*of_label, rng) if of_label else usual_axis
    follows = population.beginning_follows * (usual_mean - axis) if beginning == "septum" else 0
    usual_height = population.infarct_height if infarcted else population.height
    height = _between(population.low_height if low else usual_height, rng)
    to_right = conduction in (RIGHT, RIGHT_INCOMPLETE) or axis > 90
    chest_gain = population.left_chest_gain if conduction == LEFT else population.chest_gain
    chest_gain = population.low_chest_gain if low else chest_gain
    qtc = _between(population.long_qtc if "LQT" in labels else population.usual_qtc, rng)
    t, opening, st = _repolarisation(labels, conduction, axis, height, population, rng)
    wander = 0.5 * population.variety * rng.normal(size=3)
    ectopic = added(ECTOPIC[rng.integers(len(ECTOPIC))], wander)
    return Heart(
        conduction=conduction,
        beginning=beginning,
        beginning_height=_between(population.beginning, rng),
        ending_height=_between(population.right_ending if to_right else population.ending, rng),
        beginning_turn=added(scaled(rng.normal(size=3), population.beginning_scatter), (0, follows, 0)),
        ending_turn=scaled(rng.normal(size=3), population.ending_scatter),
        main=population.main,
        last=population.last,
        axis=axis,
        leads=population.leads,
        limb=height,
        chest=_between(population.low_chest if low else population.chest, rng),
        chest_gain=_between(chest_gain, rng),
        qrs=_between(width, rng) + longer,
        pr=min(_pr(labels, age, population, rng), 0.45 * interval),
        qt=(qtc + (0.010 if sex == "female" else 0)) * math.sqrt(interval),  # Bazett's formula
        p=_between(population.p, rng) * (0.7 if low else 1),
        t=t,
        opening=opening,
        st=st,
        ectopic=scaled(ectopic, height * _between(population.ectopic, rng)),
        variety=population.variety,
    )


def _pr(labels: Set[str], age: float, population: Population, rng: np.random.Generator) -> float:
    """The PR interval in s. A block of first degree holds the beat up for longer than a mere prolonged interval."""
    if of_label := _first(population.pr, labels):
        return _between(*of_label, rng)
    return _between(population.usual_pr, rng) + 0.0002 * age


def _repolarisation(
    labels: Set[str], conduction: str, axis: float, size: float, population: Population, rng: np.random.Generator
) -> tuple[Vector, Vector, Vector]:
    """T, its opening where it is biphasic, and ST (mV), for a QRS with ``axis`` (degrees) and ``size`` (mV)."""
    if conduction in LEFT_FIRST:  # secondary changes, against the QRS, whatever else there is
        angle = math.radians(axis)
        against = (*scaled((math.cos(angle), math.sin(angle)), -size * _between(population.left_t, rng)), 0.21 * size)
        return against, NOTHING, scaled(against, 0.35)
    lowest, highest, deviation = population.t_axis
    angle = math.radians(float(np.clip(axis, lowest, highest)) + rng.normal(0, deviation))
    to_front = {RIGHT: population.right_t_front, RIGHT_INCOMPLETE: population.incomplete_t_front}
    front = _between(to_front.get(conduction, population.t_front), rng)
    usual = (math.cos(angle), math.sin(angle), front)
    height = (0.07 + 0.19 * size) * _between(population.t_height, rng)
    st = population.st_scatter * rng.normal(size=3) * (1, 1, 0.3) + (0, 0, _between(population.st_front, rng))
    depressed = added(scaled(usual, -_between(population.depression, rng)), st)
    if "TInv" in labels:
        inverted = scaled(_inversion(population, rng), height * _between(population.inverted, rng))
        under = added(st, scaled((-1, -0.3, 0), rng.uniform(0, population.inverted_depression)))
        return inverted, NOTHING, depressed if "TAb" in labels else under
    if "TAb" in labels:
        flat, biphasic = population.abnormal
        kind = rng.random()
        if kind < flat:
            left = _between(population.flat, rng)
            in_front = _between(population.flat_front, rng)
            return (height * left * usual[0], height * left * usual[1], height * in_front * front), NOTHING, depressed
        if kind < flat + biphasic:
            return scaled(usual, 0.45 * height), scaled(usual, -0.55 * height), NOTHING
        return scaled(_inversion(population, rng), height * _between(population.flat, rng)), NOTHING, depressed
    return scaled(usual, height), NOTHING, added(scaled(usual, _between(population.st, rng)), st)


def _inversion(population: Population, rng: np.random.Generator) -> Vector:
    """Where an inverted T points: in one territory, or in several that overlap."""
    directions = np.array(list(INVERSIONS.values()))
    if population.inverted_places:
        return scaled(rng.dirichlet(population.inverted_places) @ directions, 1)
    return tuple(directions[rng.integers(len(directions))].tolist())
