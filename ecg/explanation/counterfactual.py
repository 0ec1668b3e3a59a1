"""What if one wave of every beat were another's? A recording with normal P waves, QRS complexes, or ST and T.

Blanking a wave is no question a reader would ask: a flat T is as ill as an inverted one. So each is exchanged for that
of healthy, simulated hearts that beat at the same moments, and all else stays as it was recorded.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.ndimage import uniform_filter1d

from ecg.data.preprocessing import bridge_gaps
from ecg.data.qrs import qrs_centres
from ecg.data.record import Record
from ecg.simulation.counterpart import USUAL_INTERVAL, normal_counterpart

WAVES = ("P and PR", "QRS", "ST and T")
HEARTS = 6  # others whose waves are tried, as no two are alike
BEFORE, AFTER = 0.07, 0.10  # s around the middle of a QRS that are the QRS's
T_ENDS = 0.46, 0.62  # s after that middle, or this part of the interval, whichever is sooner: behind it is the next P
BLEND = 0.03  # s in which one signal passes into the other


def with_normal_waves(record: Record) -> Iterator[tuple[str, Record]]:
    """Each of the HEARTS in turn gives ``record`` each of the WAVES, whose name comes with it; always the same ones.

    A lead that is missing, or shows nothing, gets none.
    """
    header, samples = record.header, record.counts.shape[1]
    counts, middles = bridge_gaps(record.counts), beats(record)
    parts, seen = _parts(middles, samples, header.rate), counts.any(axis=1, keepdims=True)
    for heart in range(HEARTS):
        random = np.random.default_rng([HEARTS, heart])
        normal = normal_counterpart(middles, samples, header.rate, header.age, header.sex, random) * seen
        for wave, part in zip(WAVES, parts):
            yield wave, replace(record, counts=np.rint(counts * (1 - part) + normal * part).astype(np.int16))


def stretches(record: Record) -> dict[str, np.ndarray]:
    """Of each of the WAVES where it is, Boolean (samples,): every sample is one wave's."""
    parts = _parts(beats(record), record.counts.shape[1], record.header.rate, blend=0)
    return {wave: part > 0.5 for wave, part in zip(WAVES, parts)}


def beats(record: Record) -> np.ndarray:
    """The samples amid the QRS complexes, and of one before and one behind, whose T or P may be there; or none."""
    rate = record.header.rate
    middles = qrs_centres(bridge_gaps(record.counts), rate)
    if not len(middles):
        return middles
    interval = round(float(np.median(np.diff(middles))) if len(middles) > 1 else USUAL_INTERVAL * rate)
    return np.concatenate([[middles[0] - interval], middles, [middles[-1] + interval]])


def _parts(middles: np.ndarray, samples: int, rate: float, blend: float = BLEND) -> np.ndarray:
    """(WAVES, samples): how far each sample is each wave's, together 1. What is neither QRS nor T is P's."""
    at, edges = np.arange(samples), np.concatenate([[-np.inf], middles, [np.inf]])
    beat = np.searchsorted(middles, at, side="right")
    since, until = (at - edges[beat]) / rate, (edges[beat + 1] - at) / rate
    qrs = (since < AFTER) | (until < BEFORE)
    t = ~qrs & (since < np.minimum(T_ENDS[0], T_ENDS[1] * (since + until)))
    part = np.array([~qrs & ~t, qrs, t], float)
    width = round(blend * rate)
    return uniform_filter1d(part, width, axis=1, mode="nearest") if width > 1 else part
