"""Find suspect labels without a reader: by out-of-fold probabilities, and by the measured heart axis."""

import numpy as np

from ecg.data.lead_names import LEADS
from ecg.data.preprocessing import bridge_gaps, fill_limb_leads
from ecg.data.qrs import qrs_centres
from ecg.data.record import Record

LEFT_AXIS = (-90.0, -30.0)  # degrees: the readers' definition of left axis deviation
QRS = (0.06, 0.06)  # s before and after the centre of a QRS complex
BASELINE = 0.03  # s before the QRS complex


def confident_learning(labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Rate how suspect each label is (Northcutt et al., arXiv 1911.00068, applied to each class separately).

    A label is suspect if the opposite label is more probable than it is, on average, in the recordings that have the
    opposite label. A class that no recording or every recording has gives no suspects.

    Parameters
    ----------
    labels : bool (recordings, classes)
    p : float (recordings, classes)
        Out-of-fold probabilities.

    Returns
    -------
    float (recordings, classes)
        The excess of that probability over its average; 0 if the label is not suspect.
    """
    suspicion = np.zeros(labels.shape)
    for k in range(labels.shape[1]):
        label, p_yes = labels[:, k], p[:, k]
        if label.any() and not label.all():
            mean_yes, mean_no = p_yes[label].mean(), (1 - p_yes[~label]).mean()
            suspicion[:, k] = np.where(label, (1 - p_yes) - mean_no, p_yes - mean_yes)
    return np.maximum(suspicion, 0)


def frontal_axis(record: Record) -> float | None:
    """The QRS axis in degrees, -180 to 180, from the net QRS areas in leads I and aVF. None if it cannot be measured.

    It is measured in the median beat, so that a single ectopic beat has no effect.
    """
    rows = [LEADS.index(lead) for lead in ("I", "aVF")]
    rate = record.header.rate
    signal = fill_limb_leads(bridge_gaps(record.counts)).astype(float)
    if not signal[rows].any(axis=1).all():
        return None
    before, after = (round(seconds * rate) for seconds in QRS)
    baseline = max(round(BASELINE * rate), 1)
    beats = [
        signal[rows, centre - before - baseline : centre + after]
        for centre in qrs_centres(signal, rate)
        if centre >= before + baseline and centre + after <= signal.shape[1]
    ]
    if not beats:
        return None
    beat = np.median(beats, axis=0)
    area_i, area_avf = (beat[:, baseline:] - beat[:, :baseline].mean(axis=1, keepdims=True)).sum(axis=1)
    return float(np.degrees(np.arctan2(2 * area_avf, np.sqrt(3) * area_i))) if area_i or area_avf else None


def degrees_from_left_axis(axis: float) -> float:
    """The distance in degrees from ``axis`` to the range of left axis deviation; negative inside the range.

    >>> degrees_from_left_axis(0), degrees_from_left_axis(-60)
    (30.0, -30.0)
    """
    low, high = LEFT_AXIS
    centre, half_width = (low + high) / 2, (high - low) / 2
    return abs((axis - centre + 180) % 360 - 180) - half_width
