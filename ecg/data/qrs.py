"""Where the QRS complexes are: enough for measuring a beat, not for counting an arrhythmia."""

import numpy as np
from scipy.signal import find_peaks

SHORTEST_BEAT = 0.25  # s
WIDTH = 0.1  # s; a hump of the leads' steepness so wide is one a QRS, be it notched or not


def qrs_centres(signal: np.ndarray, rate: float) -> np.ndarray:
    """The samples amid the QRS complexes of ``signal`` (leads, samples) at ``rate`` Hz; none where it is flat."""
    if signal.shape[1] < max(rate, 2):
        return np.zeros(0, int)
    steepness = np.abs(np.gradient(signal.astype(float), axis=1)).sum(axis=0)
    width = max(round(WIDTH * rate), 1)
    hump = np.convolve(steepness, np.ones(width) / width, "same")
    height = 0.4 * np.quantile(hump, 0.98)
    if not height:
        return np.zeros(0, int)
    return find_peaks(hump, height=height, distance=max(round(SHORTEST_BEAT * rate), 1))[0]
