"""Draw a heart and a rhythm that show given labels.

The sign of a label is the textbook's; the population sets how pronounced it is. Labels can contradict each other, such
as sinus rhythm and atrial fibrillation: the stronger one wins, as in a reader's judgement. All that the labels leave
open is drawn from the normal range.
"""

import math
from collections.abc import Mapping, Set

import numpy as np

from ecg.simulation.beats import INFARCTS, RIGHT_VENTRICLE_FIRST, ZERO, Heart
from ecg.simulation.dipole import Vector, add, as_vector, scale
from ecg.simulation.population import CRBBB, IRBBB, LBBB, NO_BLOCK, Population, Range
from ecg.simulation.rhythm import ATRIAL, FIBRILLATION, FLUTTER, SINUS, VENTRICULAR, Rhythm

INVERSIONS: dict[str, Vector] = {  # direction of an inverted T, relative to the usual height of T
    "inferior": (0.55, -1.20, 0.30),
    "anterior": (0.07, 0.43, -0.86),
    "lateral": (-1.00, 0.18, -0.21),
}
ECTOPIC: tuple[Vector, Vector] = ((0.35, 1.05, -0.8), (-0.6, -0.8, 0.7))  # from the right ventricle, from the left one


def draw_heart_and_rhythm(
    labels: Set[str], age: float | None, sex: str | None, population: Population, rng: np.random.Generator
) -> tuple[Heart, Rhythm]:
    """A heart and a rhythm that show ``labels`` (abbreviations), of a person with ``age`` (years) and ``sex``."""
    rhythm = _draw_rhythm(labels, population, rng)
    return _draw_heart(labels, 60.0 if age is None else age, sex, rhythm.interval, population, rng), rhythm


def _uniform(limits: Range, rng: np.random.Generator) -> float:
    return float(rng.uniform(*limits))


def _clipped_normal(mean: float, deviation: float, lowest: float, highest: float, rng: np.random.Generator) -> float:
    return float(np.clip(rng.normal(mean, deviation), lowest, highest))


def _first_match(table: Mapping[str, Range], labels: Set[str]) -> Range | None:
    """The range of the first label in ``table`` that is one of ``labels``."""
    return next((value for label, value in table.items() if label in labels), None)


def _draw_rhythm(labels: Set[str], population: Population, rng: np.random.Generator) -> Rhythm:
    premature: tuple[str, ...] = (VENTRICULAR,) if "PVC" in labels else ()
    if "PR" in labels:
        slow, usual = population.paced_rates
        rate = _uniform(slow if labels & {"Brady", "SB"} else usual, rng)
        return Rhythm(FIBRILLATION if "AF" in labels else SINUS, 60 / rate, irregularity=0, premature=premature)
    if "AFL" in labels:
        ratios = _draw_conduction_ratios(labels, rng)
        interval = _uniform(population.flutter_cycle, rng) * float(np.mean(ratios))
        return Rhythm(FLUTTER, interval, irregularity=0, conduction_ratios=ratios, premature=premature)
    if "AF" in labels:
        irregularity = _uniform(population.fibrillation_irregularity, rng)
        limits = _first_match(population.fibrillation_rates, labels) or population.usual_fibrillation_rate
        return Rhythm(FIBRILLATION, 60 / _uniform(limits, rng), irregularity, premature=premature)
    if sinus_limits := _first_match(population.sinus_rates, labels):
        rate = _uniform(sinus_limits, rng)
    else:
        rate = _clipped_normal(*population.usual_sinus_rate, rng)
    breathing = _uniform(population.arrhythmia_breathing if "SA" in labels else population.breathing, rng)
    premature += (ATRIAL,) if "PAC" in labels else ()
    return Rhythm(SINUS, 60 / rate, _uniform(population.irregularity, rng), breathing, premature=premature)


def _draw_conduction_ratios(labels: Set[str], rng: np.random.Generator) -> tuple[int, ...]:
    """The numbers of flutter waves per beat, several if the labels also include atrial fibrillation."""
    if "AF" in labels:
        return (2, 3, 4)
    if "STach" in labels:
        return (2,)
    if labels & {"Brady", "SB"}:
        return (6,)
    return ((2,), (3,), (4,), (2, 4), (2, 3, 4), (3, 4, 5))[rng.integers(6)]


def _draw_heart(
    labels: Set[str], age: float, sex: str | None, interval: float, population: Population, rng: np.random.Generator
) -> Heart:
    conduction = next((label for label in population.qrs_widths if label in labels), NO_BLOCK)
    initial = "posterior fascicle" if "LAnFB" in labels else "septum"
    if "QAb" in labels:
        initial = INFARCTS[rng.choice(len(INFARCTS), p=[population.infarct_fractions[place] for place in INFARCTS])]
    infarcted, low = initial in INFARCTS, "LQRSV" in labels
    extra_width = 0.018 if infarcted else 0.008 if "LAnFB" in labels else 0
    mean_axis, deviation, lowest, highest = population.usual_axis
    mean_axis -= 0.4 * (age - 30)  # the axis turns to the left with age
    axis = _clipped_normal(mean_axis, deviation, lowest, highest, rng)
    if initial in population.infarct_axes:
        axis = _uniform(population.infarct_axes[initial], rng)
    if limits := _first_match(population.axes, labels):
        axis = _uniform(limits, rng)
    initial_slope = population.initial_slope * (mean_axis - axis) if initial == "septum" else 0
    usual_amplitude = population.infarct_amplitude if infarcted else population.limb_amplitude
    amplitude = _uniform(population.low_amplitude if low else usual_amplitude, rng)
    to_right = conduction in (CRBBB, IRBBB) or axis > 90
    chest_gain = population.lbbb_chest_gain if conduction == LBBB else population.chest_gain
    chest_gain = population.low_chest_gain if low else chest_gain
    qtc = _uniform(population.long_qtc if "LQT" in labels else population.usual_qtc, rng)
    t, t_first, st = _draw_repolarisation(labels, conduction, axis, amplitude, population, rng)
    ectopic_offset = 0.5 * population.variability * rng.normal(size=3)
    ectopic = add(ECTOPIC[rng.integers(len(ECTOPIC))], ectopic_offset)
    return Heart(  # Python evaluates the arguments in this order, so it is the order of the draws
        conduction=conduction,
        initial=initial,
        initial_scale=_uniform(population.initial_scale, rng),
        terminal_scale=_uniform(population.right_terminal_scale if to_right else population.terminal_scale, rng),
        initial_offset=add(scale(rng.normal(size=3), population.initial_sd), (0, initial_slope, 0)),
        terminal_offset=scale(rng.normal(size=3), population.terminal_sd),
        main_span=population.main_span,
        terminal_start=population.terminal_start,
        axis=axis,
        lead_matrix=population.lead_matrix,
        limb_amplitude=amplitude,
        chest_limit=_uniform(population.low_chest_limit if low else population.chest_limit, rng),
        chest_gain=_uniform(chest_gain, rng),
        qrs=_uniform(population.qrs_widths[conduction], rng) + extra_width,
        pr=min(_draw_pr(labels, age, population, rng), 0.45 * interval),
        qt=(qtc + (0.010 if sex == "female" else 0)) * math.sqrt(interval),  # Bazett's formula
        p_height=_uniform(population.p_height, rng) * (0.7 if low else 1),
        t=t,
        t_first=t_first,
        st=st,
        ectopic=scale(ectopic, amplitude * _uniform(population.ectopic_scale, rng)),
        variability=population.variability,
    )


def _draw_pr(labels: Set[str], age: float, population: Population, rng: np.random.Generator) -> float:
    """The PR interval in s."""
    if limits := _first_match(population.pr, labels):
        return _uniform(limits, rng)
    return _uniform(population.usual_pr, rng) + 0.0002 * age


def _draw_repolarisation(
    labels: Set[str], conduction: str, axis: float, amplitude: float, population: Population, rng: np.random.Generator
) -> tuple[Vector, Vector, Vector]:
    """T, the first half of a biphasic T, and ST (mV), for a QRS with ``axis`` (degrees) and ``amplitude`` (mV)."""
    if conduction in RIGHT_VENTRICLE_FIRST:  # secondary changes, opposite to the QRS, take precedence over all labels
        angle = math.radians(axis)
        height = -amplitude * _uniform(population.lbbb_t_scale, rng)
        t = (height * math.cos(angle), height * math.sin(angle), 0.21 * amplitude)
        return t, ZERO, scale(t, 0.35)
    lowest, highest, deviation = population.t_axis
    angle = math.radians(float(np.clip(axis, lowest, highest)) + rng.normal(0, deviation))
    block_t_front = {CRBBB: population.crbbb_t_front, IRBBB: population.irbbb_t_front}
    front = _uniform(block_t_front.get(conduction, population.t_front), rng)
    usual = (math.cos(angle), math.sin(angle), front)
    height = (0.07 + 0.19 * amplitude) * _uniform(population.t_scale, rng)
    st = population.st_sd * rng.normal(size=3) * (1, 1, 0.3) + (0, 0, _uniform(population.st_front, rng))
    depressed = add(scale(usual, -_uniform(population.st_depression, rng)), st)
    if "TInv" in labels:
        inverted = scale(_draw_inversion(population, rng), height * _uniform(population.inverted_scale, rng))
        under_inverted = add(st, scale((-1, -0.3, 0), rng.uniform(0, population.inverted_st_depression)))
        return inverted, ZERO, depressed if "TAb" in labels else under_inverted
    if "TAb" in labels:
        flat, biphasic = population.abnormal_t_fractions
        kind = rng.random()
        if kind < flat:
            frontal = height * _uniform(population.flat_scale, rng)
            to_front = height * _uniform(population.flat_front_scale, rng)
            return (frontal * usual[0], frontal * usual[1], to_front * front), ZERO, depressed
        if kind < flat + biphasic:
            return scale(usual, 0.45 * height), scale(usual, -0.55 * height), ZERO
        return scale(_draw_inversion(population, rng), height * _uniform(population.flat_scale, rng)), ZERO, depressed
    return scale(usual, height), ZERO, add(scale(usual, _uniform(population.st, rng)), st)


def _draw_inversion(population: Population, rng: np.random.Generator) -> Vector:
    """The direction of an inverted T: that of one territory, or a mixture of all."""
    directions = np.array(list(INVERSIONS.values()))
    if population.inversion_mixture:
        return as_vector(rng.dirichlet(population.inversion_mixture) @ directions)
    return as_vector(directions[rng.integers(len(directions))])
