"""What if one wave of every beat were another's? A recording with normal P waves, QRS complexes, or ST and T.

Blanking a wave is no question a reader would ask: a flat T is as ill as an inverted one. So each is exchanged for that
of healthy, simulated hearts that beat at the same moments, and all else stays as it was recorded.
"""

from dataclasses import replace

import numpy as np
from scipy.ndimage import uniform_filter1d

from ecg.qrs import qrs_middles
from ecg.records import Record
from ecg.signals import close_gaps
from ecg.simulation.counterpart import USUAL_INTERVAL, normal_counterpart

WAVES = ("P and PR", "QRS", "ST and T")
HEARTS = 6  # others whose waves are tried, as no two are alike
BEFORE, AFTER = 0.07, 0.10  # s around the middle of a QRS that are the QRS's
T_ENDS = 0.46, 0.62  # s after that middle, or this part of the interval, whichever is sooner: behind it is the next P
BLEND = 0.03  # s in which one signal passes into the other


def with_normal_waves(record: Record) -> dict[str, list[Record]]:
    """Of each of the WAVES: ``record`` with that wave of each of the HEARTS; the same for the same recording."""
    rate, samples = record.header.rate, record.counts.shape[1]
    counts, middles = close_gaps(record.counts), _beats(record)
    parts = _parts(middles, samples, rate)
    hearts = [
        normal_counterpart(
            middles, samples, rate, record.header.age, record.header.sex, np.random.default_rng([HEARTS, heart])
        )
        * record.mask[:, np.newaxis]
        for heart in range(HEARTS)
    ]
    return {
        wave: [
            replace(record, counts=np.rint(counts * (1 - part) + normal * part).astype(np.int16)) for normal in hearts
        ]
        for wave, part in zip(WAVES, parts)
    }


def stretches(record: Record) -> dict[str, np.ndarray]:
    """Of each of the WAVES where it is, Boolean (samples,): every sample is one wave's."""
    parts = _parts(_beats(record), record.counts.shape[1], record.header.rate, blend=0)
    return {wave: part > 0.5 for wave, part in zip(WAVES, parts)}


def _beats(record: Record) -> np.ndarray:
    """The samples amid the QRS complexes, and of one before and one behind: of these T or P may be there."""
    rate = record.header.rate
    middles = qrs_middles(close_gaps(record.counts), rate)
    if not len(middles):
        return middles
    interval = round(float(np.median(np.diff(middles))) if len(middles) > 1 else USUAL_INTERVAL * rate)
    return np.concatenate([[middles[0] - interval], middles, [middles[-1] + interval]])


def _parts(middles: np.ndarray, samples: int, rate: float, blend: float = BLEND) -> np.ndarray:
    """(WAVES, samples): how far each sample is each wave's, together 1. Without a beat all is before the first."""
    part = np.zeros((len(WAVES), samples))
    if not len(middles):
        part[0] = 1
        return part
    at = np.arange(samples)
    beat = np.clip(np.searchsorted(middles, at, side="right") - 1, 0, len(middles) - 2)
    since, until = (at - middles[beat]) / rate, (middles[beat + 1] - at) / rate
    qrs = (abs(since) < AFTER) | (until < BEFORE)
    t = ~qrs & (since < np.minimum(T_ENDS[0], T_ENDS[1] * (since + until)))
    part[:] = ~qrs & ~t, qrs, t
    width = round(blend * rate)
    return uniform_filter1d(part, width, axis=1, mode="nearest") if width > 1 else part
