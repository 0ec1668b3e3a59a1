"""Counterfactual recordings: one wave of every beat is replaced by the same wave of a normal heart.

A flat T wave is as abnormal as an inverted one, so a wave that is set to zero would not answer the question. The normal
waves come from simulated hearts that beat at the same times as the recorded one. The other waves stay as recorded.
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
NORMAL_HEARTS = 6  # simulated; several, because normal waves differ from heart to heart
BEFORE, AFTER = 0.07, 0.10  # s; the QRS lasts from BEFORE to AFTER its centre
T_ENDS = 0.46, 0.62  # s after the QRS centre, and part of the RR interval; the T wave ends at the earlier of the two
BLEND = 0.03  # s; one signal is faded into the other over this time


def with_normal_waves(record: Record) -> Iterator[tuple[str, Record]]:
    """Yield each wave's name and ``record`` with that wave replaced: all WAVES of the first heart, then of the next.

    The NORMAL_HEARTS are the same in every call. A lead that is missing or flat stays zero.
    """
    header, samples = record.header, record.counts.shape[1]
    counts, centres = bridge_gaps(record.counts), beat_centres(record)
    weights, has_signal = _wave_weights(centres, samples, header.rate), counts.any(axis=1, keepdims=True)
    for heart in range(NORMAL_HEARTS):
        random = np.random.default_rng([NORMAL_HEARTS, heart])
        normal = normal_counterpart(centres, samples, header.rate, header.age, header.sex, random) * has_signal
        for wave, weight in zip(WAVES, weights):
            changed = counts * (1 - weight) + normal * weight
            yield wave, replace(record, counts=np.rint(changed).astype(np.int16))


def wave_masks(record: Record) -> dict[str, np.ndarray]:
    """bool (samples,) for each of the WAVES: the samples in that wave. Each sample is in exactly one wave."""
    weights = _wave_weights(beat_centres(record), record.counts.shape[1], record.header.rate, blend=0)
    return {wave: weight > 0.5 for wave, weight in zip(WAVES, weights)}


def beat_centres(record: Record) -> np.ndarray:
    """The sample numbers of the QRS centres, with one more beat at each end; empty if no beat is found.

    The two added beats lie outside the recording, but their T or P wave may lie inside.
    """
    rate = record.header.rate
    centres = qrs_centres(bridge_gaps(record.counts), rate)
    if not len(centres):
        return centres
    interval = round(float(np.median(np.diff(centres))) if len(centres) > 1 else USUAL_INTERVAL * rate)
    return np.concatenate([[centres[0] - interval], centres, [centres[-1] + interval]])


def _wave_weights(centres: np.ndarray, samples: int, rate: float, blend: float = BLEND) -> np.ndarray:
    """float (WAVES, samples): the weight of each wave at each sample; they add up to 1 at each sample.

    All that is neither QRS nor ST and T counts as P and PR.
    """
    times, edges = np.arange(samples), np.concatenate([[-np.inf], centres, [np.inf]])
    beat = np.searchsorted(centres, times, side="right")
    since, until = (times - edges[beat]) / rate, (edges[beat + 1] - times) / rate
    qrs = (since < AFTER) | (until < BEFORE)
    t = ~qrs & (since < np.minimum(T_ENDS[0], T_ENDS[1] * (since + until)))
    weights = np.array([~qrs & ~t, qrs, t], float)
    width = round(blend * rate)
    return uniform_filter1d(weights, width, axis=1, mode="nearest") if width > 1 else weights
