"""A normal heart that beats when a recorded one does: what a recording would show were its waves those of others."""

import math
from dataclasses import replace

import numpy as np

from ecg.simulation.conditions import conditions
from ecg.simulation.dipole import heart_vector
from ecg.simulation.leads import electrodes, measured_leads, to_microvolts
from ecg.simulation.population import MEASURED
from ecg.simulation.rhythm import NORMAL
from ecg.simulation.signal import beat_waves

USUAL_INTERVAL = 0.8  # s, where a recording has too few beats to tell


def normal_counterpart(
    middles: np.ndarray, samples: int, rate: float, age: float | None, sex: str | None, rng: np.random.Generator
) -> np.ndarray:
    """int16 (12, samples) at ``rate`` Hz, 1 count = 1 uV: a healthy person's waves, as patients' are measured to be.

    ``middles``: the samples amid the QRS complexes. PR and QT are normal at that rate; nothing is noisy.
    """
    heart, rhythm = conditions(frozenset({"SNR"}), age, sex, MEASURED, rng)
    interval = float(np.median(np.diff(middles))) / rate if len(middles) > 1 else USUAL_INTERVAL
    heart = replace(heart, pr=min(heart.pr, 0.45 * interval), qt=heart.qt * math.sqrt(interval / rhythm.interval))
    waves = beat_waves(heart, rhythm, rate, rng)[NORMAL]
    vector = heart_vector([(middle / rate - heart.qrs / 2, waves) for middle in middles], rate, samples)
    measured = measured_leads(vector, electrodes(heart.leads, MEASURED.electrode_variety, rng))
    measured[2:] *= heart.chest_gain
    return to_microvolts(measured)
