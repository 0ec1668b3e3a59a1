"""The simulated signal of one recording.

The modules, in the order of a simulation:

- ``cases``: draws age, sex, labels, source and length of a recording
- ``population``: the ranges from which a person's parameters are drawn
- ``conditions``: labels -> heart and rhythm
- ``rhythm``: times of the beats, and atrial activity
- ``beats``: waves of one beat
- ``dipole``: waves -> heart vector
- ``leads``: heart vector -> leads
- ``noise``: drift, muscles, mains, loose electrodes
- ``signal``: all of these together -> int16 signal
- ``dataset``: signals -> files, or records to train on
- ``counterpart``: a healthy ECG with the beat times of a recording
"""

import math
from collections.abc import Iterable

import numpy as np

from ecg.classes import ABBREVIATIONS, FIRST
from ecg.errors import EntryError
from ecg.simulation.beats import (
    Heart,
    ectopic_p_waves,
    p_waves,
    pacing_spike,
    qrs_waves,
    t_waves,
    vary_waves,
    ventricular_waves,
)
from ecg.simulation.cases import scored_classes
from ecg.simulation.conditions import draw_heart_and_rhythm
from ecg.simulation.dipole import Wave, heart_vector
from ecg.simulation.leads import draw_lead_matrix, measured_leads, to_microvolts
from ecg.simulation.noise import add_noise
from ecg.simulation.population import PACED, TEXTBOOK, Population
from ecg.simulation.rhythm import ATRIAL, NORMAL, SINUS, VENTRICULAR, Rhythm, atrial_waves, draw_beats


def simulate_signal(
    labels: Iterable[str],
    age: float | None,
    sex: str | None,
    rate: float,
    seconds: float,
    rng: np.random.Generator,
    noise: bool = True,
    population: Population = TEXTBOOK,
) -> np.ndarray:
    """Simulate a 12-lead ECG that shows the given labels.

    Parameters
    ----------
    labels : iterable of str
        SNOMED CT codes or abbreviations of scored classes, in any combination.
    age, sex : float or None, "female", "male" or None
        Age in years and sex of the person. None: unknown.
    rate : float
        Sampling rate in Hz.
    seconds : float
        Length of the recording.
    rng : numpy.random.Generator
        The source of every random draw.
    noise : bool
        False: only the signal of the heart.
    population : Population
        The ranges from which the person is drawn.

    Returns
    -------
    int16 (12, samples)
        The leads in their usual order, 1 count = 1 uV.

    Raises
    ------
    EntryError
        If a label is not a scored class.

    Examples
    --------
    >>> signal = simulate_signal(["AF", "LAD"], 70, "female", 500, 10, np.random.default_rng(0))
    >>> signal.shape, signal.dtype
    ((12, 5000), dtype('int16'))
    """
    if age is not None and math.isnan(age):
        age = None
    # The draws keep this order, here and in all that is called: in another order, a seed gives another recording.
    heart, rhythm = draw_heart_and_rhythm(_abbreviations(labels), age, sex, population, rng)
    samples = max(round(rate * seconds), 1)
    times = np.arange(samples) / rate
    waves = beat_waves(heart, rhythm, rate, rng)
    beats = draw_beats(rhythm, samples / rate, population.variability, rng)
    vector = heart_vector([(beat.onset, waves[beat.kind]) for beat in beats], rate, samples)
    if rhythm.atria != SINUS:
        vector += atrial_waves(rhythm, times, population.variability, rng)
    vector *= _breathing(times, population.variability, rng)
    lead_matrix = draw_lead_matrix(population.lead_matrix, population.electrode_variability, rng)
    measured = measured_leads(vector, lead_matrix)
    measured[2:] *= heart.chest_gain
    return to_microvolts(add_noise(measured, rate, rng) if noise else measured)


def _breathing(times: np.ndarray, variability: float, rng: np.random.Generator) -> np.ndarray:
    """The factor (3, times) by which the movement of the chest scales the heart vector."""
    phase = rng.uniform(0.15, 0.35) * times + rng.random((3, 1))
    return 1 + variability * rng.uniform(0, 0.08, (3, 1)) * np.sin(2 * math.pi * phase)


def _abbreviations(labels: Iterable[str]) -> frozenset[str]:
    """The abbreviations of ``labels`` (codes or abbreviations). Equivalent codes have one abbreviation."""
    found = frozenset(ABBREVIATIONS.get(FIRST.get(label, label), label) for label in labels)
    if unknown := found.difference(scored_classes()):
        raise EntryError(f"{min(unknown)}: cannot be simulated; the classes are {', '.join(scored_classes())}")
    return found


def beat_waves(heart: Heart, rhythm: Rhythm, rate: float, rng: np.random.Generator) -> dict[str, list[Wave]]:
    """The waves of each kind of beat."""
    ventricles = qrs_waves(heart, rng) + t_waves(heart, rng)
    if heart.conduction == PACED:
        before = [pacing_spike(rate)]
    elif rhythm.atria == SINUS:
        before = vary_waves(p_waves(heart.p_height, heart.pr), heart.variability, rng)
    else:
        before = []
    return {
        NORMAL: before + ventricles,
        ATRIAL: ectopic_p_waves(heart.p_height, min(heart.pr, 0.14), heart.variability, rng) + ventricles,
        VENTRICULAR: ventricular_waves(heart, rng),
    }
