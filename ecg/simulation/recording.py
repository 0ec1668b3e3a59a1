"""One simulated recording: labels -> heart and rhythm -> waves -> leads -> counts."""

import math
from collections.abc import Iterable

import numpy as np

from ecg.errors import EntryError
from ecg.scoring import ABBREVIATIONS, FIRST
from ecg.simulation.beats import (
    PACED,
    Heart,
    ectopic_p_waves,
    p_waves,
    pacing_spike,
    qrs_waves,
    t_waves,
    ventricular_waves,
)
from ecg.simulation.cases import classes
from ecg.simulation.conditions import conditions
from ecg.simulation.dipole import Wave, heart_vector
from ecg.simulation.leads import measured_leads, to_microvolts
from ecg.simulation.noise import with_noise
from ecg.simulation.rhythm import ATRIAL, NORMAL, SINUS, VENTRICULAR, Rhythm, atrial_waves, beats


def recording(
    labels: Iterable[str],
    age: float | None,
    sex: str | None,
    rate: float,
    seconds: float,
    rng: np.random.Generator,
    noise: bool = True,
) -> np.ndarray:
    """A 12-lead ECG that shows ``labels``: int16 (12, samples) in the order of ``ecg.records.LEADS``, 1 count = 1 uV.

    ``labels``: SNOMED CT codes or abbreviations of scored classes, in any combination; EntryError where one is none.
    ``age`` in years and ``sex`` ("female", "male"), None where unknown. ``rate`` in Hz. Without ``noise`` there is
    the heart alone.
    """
    if age is not None and math.isnan(age):
        age = None
    heart, rhythm = conditions(abbreviations(labels), age, sex, rng)
    samples = max(round(rate * seconds), 1)
    waves = beat_waves(heart, rhythm, rate)
    course = [(beat.onset, waves[beat.kind]) for beat in beats(rhythm, samples / rate, rng)]
    vector = heart_vector(course, rate, samples)
    if rhythm.atria != SINUS:
        vector += atrial_waves(rhythm, np.arange(samples) / rate, rng)
    measured = measured_leads(vector)
    return to_microvolts(with_noise(measured, rate, rng) if noise else measured)


def abbreviations(labels: Iterable[str]) -> frozenset[str]:
    """The abbreviations of ``labels``, codes or abbreviations; codes that count as one class give one."""
    found = frozenset(ABBREVIATIONS.get(FIRST.get(label, label), label) for label in labels)
    if unknown := found.difference(classes()):
        raise EntryError(f"{sorted(unknown)[0]}: no class that can be simulated; those are {', '.join(classes())}")
    return found


def beat_waves(heart: Heart, rhythm: Rhythm, rate: float) -> dict[str, list[Wave]]:
    """The waves of each kind of beat."""
    ventricles = qrs_waves(heart) + t_waves(heart)
    if heart.conduction == PACED:
        before = [pacing_spike(rate)]
    elif rhythm.atria == SINUS:
        before = p_waves(heart.p, heart.pr)
    else:
        before = []
    return {
        NORMAL: before + ventricles,
        ATRIAL: ectopic_p_waves(heart.p, min(heart.pr, 0.14)) + ventricles,
        VENTRICULAR: ventricular_waves(heart),
    }
