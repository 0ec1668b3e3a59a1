"""QRS detection: precise enough to measure beats, not to classify arrhythmias."""

import numpy as np

SHORTEST_BEAT = 0.25  # s
WIDTH = 0.1  # s; smoothing by this width makes one peak of each QRS complex, even if it is notched


def qrs_centres(signal: np.ndarray, rate: float) -> np.ndarray:
    """Indices of the centres of the QRS complexes of ``signal`` (leads, samples) at ``rate`` Hz; none if it is flat."""
    # Imported here because it takes half a second, and most calls of the tools need no beats.
    from scipy.signal import find_peaks

    if signal.shape[1] < max(rate, 2):
        return np.zeros(0, int)
    steepness = np.abs(np.gradient(signal.astype(float), axis=1)).sum(axis=0)
    width = max(round(WIDTH * rate), 1)
    smoothed = np.convolve(steepness, np.ones(width) / width, "same")
    height = 0.4 * np.quantile(smoothed, 0.98)
    if not height:
        return np.zeros(0, int)
    return find_peaks(smoothed, height=height, distance=max(round(SHORTEST_BEAT * rate), 1))[0]
