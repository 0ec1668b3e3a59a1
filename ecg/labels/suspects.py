"""Suspect labels, without a reader: by what networks say that did not learn from them, and by a rule for the axis."""

import numpy as np

from ecg.data.preprocessing import bridge_gaps, fill_limb_leads
from ecg.data.qrs import qrs_centres
from ecg.data.record import LEADS, Record

LEFT_AXIS = (-90.0, -30.0)  # degrees: left axis deviation, as readers define it
QRS = (0.06, 0.06)  # s before and after the middle of a QRS
BEFORE = 0.03  # s before that: the level it begins from


def confident_learning(labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(recordings, classes): how suspect each label is, 0 where it is not.

    ``p`` are out-of-fold probabilities. A label is suspect where the other answer is more probable than it is, on
    average, in the recordings that have that answer (Northcutt et al., arXiv 1911.00068, each class by itself); how
    suspect is by how much. A class that no recording has, or all have, has no suspects.
    """
    suspicion = np.zeros(labels.shape)
    for k in range(labels.shape[1]):
        label, probable = labels[:, k], p[:, k]
        if label.any() and not label.all():
            usual_yes, usual_no = probable[label].mean(), (1 - probable[~label]).mean()
            suspicion[:, k] = np.where(label, (1 - probable) - usual_no, probable - usual_yes)
    return np.maximum(suspicion, 0)


def frontal_axis(record: Record) -> float | None:
    """The axis of the QRS in degrees, -180 to 180, from its net areas in I and aVF; None where there is none.

    Of the median beat, so that a single premature one does not matter.
    """
    needed = [LEADS.index(lead) for lead in ("I", "aVF")]
    rate = record.header.rate
    signal = fill_limb_leads(bridge_gaps(record.counts)).astype(float)
    if not signal[needed].any(axis=1).all():
        return None
    first, last = (round(part * rate) for part in QRS)
    level = max(round(BEFORE * rate), 1)
    beats = [
        signal[needed, middle - first - level : middle + last]
        for middle in qrs_centres(signal, rate)
        if middle >= first + level and middle + last <= signal.shape[1]
    ]
    if not beats:
        return None
    beat = np.median(beats, axis=0)
    one, foot = (beat[:, level:] - beat[:, :level].mean(axis=1, keepdims=True)).sum(axis=1)
    return float(np.degrees(np.arctan2(2 * foot, np.sqrt(3) * one))) if one or foot else None


def off_left_axis(axis: float) -> float:
    """Degrees from ``axis`` to the nearest left axis deviation: below 0 within it."""
    low, high = LEFT_AXIS
    middle, half = (low + high) / 2, (high - low) / 2
    return abs((axis - middle + 180) % 360 - 180) - half
