"""One simulated recording: labels -> heart and rhythm -> waves -> leads -> counts."""

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
    varied,
    ventricular_waves,
)
from ecg.simulation.cases import classes
from ecg.simulation.conditions import conditions
from ecg.simulation.dipole import Wave, heart_vector
from ecg.simulation.leads import electrodes, measured_leads, to_microvolts
from ecg.simulation.noise import with_noise
from ecg.simulation.population import PACED, TEXTBOOK, Population
from ecg.simulation.rhythm import ATRIAL, NORMAL, SINUS, VENTRICULAR, Rhythm, atrial_waves, beats


def recording(
    labels: Iterable[str],
    age: float | None,
    sex: str | None,
    rate: float,
    seconds: float,
    rng: np.random.Generator,
    noise: bool = True,
    population: Population = TEXTBOOK,
) -> np.ndarray:
    """A 12-lead ECG that shows ``labels``: int16 (12, samples) in the usual order of leads, 1 count = 1 uV.

    ``labels``: SNOMED CT codes or abbreviations of scored classes, in any combination; EntryError where one is none.
    ``age`` in years and ``sex`` ("female", "male"), None where unknown. ``rate`` in Hz. Without ``noise`` there is
    the heart alone. ``population``: whose heart it is.
    """
    if age is not None and math.isnan(age):
        age = None
    heart, rhythm = conditions(abbreviations(labels), age, sex, population, rng)
    samples = max(round(rate * seconds), 1)
    times = np.arange(samples) / rate
    waves = beat_waves(heart, rhythm, rate, rng)
    course = [(beat.onset, waves[beat.kind]) for beat in beats(rhythm, samples / rate, population.variety, rng)]
    vector = heart_vector(course, rate, samples)
    if rhythm.atria != SINUS:
        vector += atrial_waves(rhythm, times, population.variety, rng)
    vector *= breath(times, population.variety, rng)
    measured = measured_leads(vector, electrodes(population.leads, population.electrode_variety, rng))
    measured[2:] *= heart.chest_gain
    return to_microvolts(with_noise(measured, rate, rng) if noise else measured)


def breath(times: np.ndarray, variety: float, rng: np.random.Generator) -> np.ndarray:
    """How the chest's movement scales the heart vector (3, times)."""
    phase = rng.uniform(0.15, 0.35) * times + rng.random((3, 1))
    return 1 + variety * rng.uniform(0, 0.08, (3, 1)) * np.sin(2 * math.pi * phase)


def abbreviations(labels: Iterable[str]) -> frozenset[str]:
    """The abbreviations of ``labels``, codes or abbreviations; codes that count as one class give one."""
    found = frozenset(ABBREVIATIONS.get(FIRST.get(label, label), label) for label in labels)
    if unknown := found.difference(classes()):
        raise EntryError(f"{sorted(unknown)[0]}: no class that can be simulated; those are {', '.join(classes())}")
    return found


def beat_waves(heart: Heart, rhythm: Rhythm, rate: float, rng: np.random.Generator) -> dict[str, list[Wave]]:
    """The waves of each kind of beat."""
    ventricles = qrs_waves(heart, rng) + t_waves(heart, rng)
    if heart.conduction == PACED:
        before = [pacing_spike(rate)]
    elif rhythm.atria == SINUS:
        before = varied(p_waves(heart.p, heart.pr), heart.variety, rng)
    else:
        before = []
    return {
        NORMAL: before + ventricles,
        ATRIAL: ectopic_p_waves(heart.p, min(heart.pr, 0.14), heart.variety, rng) + ventricles,
        VENTRICULAR: ventricular_waves(heart, rng),
    }
