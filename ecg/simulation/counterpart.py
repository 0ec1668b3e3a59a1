"""A healthy ECG with the beat times of a recording: the comparison for counterfactual explanations."""

import math
from dataclasses import replace

import numpy as np

from ecg.simulation.conditions import draw_heart_and_rhythm
from ecg.simulation.dipole import heart_vector
from ecg.simulation.leads import draw_lead_matrix, measured_leads, to_microvolts
from ecg.simulation.population import MEASURED
from ecg.simulation.rhythm import NORMAL
from ecg.simulation.signal import beat_waves

USUAL_INTERVAL = 0.8  # s; used if a recording has fewer than two beats


def normal_counterpart(
    qrs_centres: np.ndarray, samples: int, rate: float, age: float | None, sex: str | None, rng: np.random.Generator
) -> np.ndarray:
    """Simulate a noise-free normal ECG with given beat times.

    Parameters
    ----------
    qrs_centres : int (beats,)
        The sample at the centre of each QRS complex.
    samples : int
        Length of the result.
    rate : float
        Sampling rate in Hz.
    age, sex : float or None, "female", "male" or None
        Age in years and sex of the person. None: unknown.
    rng : numpy.random.Generator
        Draws the person from the population MEASURED.

    Returns
    -------
    int16 (12, samples)
        1 count = 1 uV. PR and QT are normal for the median interval between the beats.

    Examples
    --------
    >>> normal_counterpart(np.array([250, 650, 1050]), 1500, 500, 60, None, np.random.default_rng(0)).shape
    (12, 1500)
    """
    heart, rhythm = draw_heart_and_rhythm(frozenset({"SNR"}), age, sex, MEASURED, rng)
    interval = float(np.median(np.diff(qrs_centres))) / rate if len(qrs_centres) > 1 else USUAL_INTERVAL
    heart = replace(heart, pr=min(heart.pr, 0.45 * interval), qt=heart.qt * math.sqrt(interval / rhythm.interval))
    waves = beat_waves(heart, rhythm, rate, rng)[NORMAL]
    vector = heart_vector([(centre / rate - heart.qrs / 2, waves) for centre in qrs_centres], rate, samples)
    measured = measured_leads(vector, draw_lead_matrix(heart.lead_matrix, MEASURED.electrode_variability, rng))
    measured[2:] *= heart.chest_gain
    return to_microvolts(measured)
