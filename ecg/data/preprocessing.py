"""Counts -> network input: bridge gaps, resample, complete the limb leads. The project has no other preprocessing.

The network's unit is the ADC count as it stands in the signal file, without offset and scale (published code; 1 count =
1 uV in the Challenge's corrected data). A header's gain is not applied: over byte-identical samples, headers have said
200, 1000, 4880 and 2,000,000 counts per mV. Six entries of 2020 had 0.60 or more on validation and below 0.31 on the
hidden Georgia set; every readable one of them divides by the header's gain.
"""

import numpy as np

from ecg.data.record import INVALID, Record
from ecg.recipe import Recipe

NetworkInput = tuple[np.ndarray, np.ndarray]  # int16 (12, samples); float32 (5,), see demographics

# The six limb leads are differences of three electrode potentials, so each is a weighted sum of leads I and II.
OF_I_AND_II = np.array([(1, 0), (0, 1), (-1, 1), (-0.5, -0.5), (1, -0.5), (-0.5, 1)])  # I, II, III, aVR, aVL, aVF


def network_signal(counts: np.ndarray, rate: float, recipe: Recipe) -> np.ndarray:
    """Preprocess ``counts``, int16 (12, samples) at ``rate`` Hz, into int16 (12, resampled) at the recipe's rate.

    INVALID samples are bridged first, so that no gap becomes a spike of -32768. Missing limb leads are computed if two
    others are there.
    """
    counts = counts[:, network_span(counts, recipe)]
    resample = {"interpolate": interpolate, "average": average}[recipe.resampling]
    return fill_limb_leads(resample(bridge_gaps(counts), rate, recipe.rate))


def network_span(counts: np.ndarray, recipe: Recipe) -> slice:
    """The samples of ``counts`` (leads, samples) that the network sees: without silent ends if the recipe trims."""
    return signal_span(counts) if recipe.trim else slice(0, counts.shape[1])


def fill_limb_leads(counts: np.ndarray) -> np.ndarray:
    """Compute the limb leads that are all zero in ``counts`` (12, samples) from the others, if two are there.

    Einthoven's law (III = II - I) and Goldberger's definitions (aVF = (II + III) / 2, and so on) give them; from more
    than two leads, by least squares. A missing chest lead stays zero, because it cannot be computed.
    """
    present = counts[: len(OF_I_AND_II)].any(axis=1)
    if present.all() or present.sum() < 2:
        return counts
    from_others = OF_I_AND_II @ np.linalg.pinv(OF_I_AND_II[present])
    others, counts = np.flatnonzero(present), counts.copy()
    for lead in np.flatnonzero(~present):  # lead by lead: a long recording takes little memory
        computed = sum(part * counts[other] for part, other in zip(from_others[lead].astype(np.float32), others))
        counts[lead] = np.rint(np.clip(computed, -32767, 32767))
    return counts


def signal_span(counts: np.ndarray) -> slice:
    """``counts`` (leads, samples) without the ends where no lead changes, as after a loose electrode or by padding.

    A value held to the end is kept once; held zeros or INVALID are not kept. One sample is left of a silent recording.
    """
    samples = counts.shape[1]
    if samples < 2 or ((counts[:, 0] != counts[:, 1]).any() and (counts[:, -1] != counts[:, -2]).any()):
        return slice(0, samples)
    changes = np.flatnonzero((counts[:, 1:] != counts[:, :-1]).any(axis=0))
    if not changes.size:
        return slice(0, 1)
    # the last sample before the first change, and the first sample after the last change
    first, last = int(changes[0]), int(changes[-1]) + 1
    first += first > 0 and _is_empty(counts[:, first])
    last -= last < samples - 1 and _is_empty(counts[:, last])
    return slice(first, last + 1) if first <= last else slice(0, 1)


def _is_empty(sample: np.ndarray) -> bool:
    return bool(np.isin(sample, (0, INVALID)).all())


def bridge_gaps(counts: np.ndarray) -> np.ndarray:
    """Replace each lead's INVALID samples by a straight line; a lead without valid samples becomes zero."""
    invalid = counts == INVALID
    if not invalid.any():
        return counts
    counts = counts.copy()
    for lead in np.flatnonzero(invalid.any(axis=1)):
        gap = invalid[lead]
        beside = np.append(False, gap[:-1]) | np.append(gap[1:], False)
        ends = np.flatnonzero(beside & ~gap)  # a line needs no other samples, and a long recording little memory
        counts[lead, gap] = 0 if gap.all() else np.rint(np.interp(np.flatnonzero(gap), ends, counts[lead, ends]))
    return counts


def resampled_length(samples: int, rate: float, network_rate: float) -> int:
    """The number of samples after resampling ``samples`` from ``rate`` to ``network_rate``, at least one."""
    return max(1, round(samples * network_rate / rate))


def interpolate(counts: np.ndarray, rate: float, network_rate: float) -> np.ndarray:
    """Resample by linear interpolation, rounded to whole counts (an error of at most 0.5 uV)."""
    if rate == network_rate:
        return counts
    last = counts.shape[1] - 1
    at = np.arange(resampled_length(counts.shape[1], rate, network_rate)) * (rate / network_rate)
    before = np.minimum(at.astype(np.int64), last)
    after = np.minimum(before + 1, last)
    weight = (at - before).astype(np.float32).clip(0, 1)
    resampled = np.empty((len(counts), len(at)), np.int16)
    for lead, interpolated in zip(counts, resampled):  # lead by lead: a long recording takes little memory
        start = lead[before].astype(np.float32)
        interpolated[:] = np.rint(start + (lead[after] - start) * weight)
    return resampled


def average(counts: np.ndarray, rate: float, network_rate: float) -> np.ndarray:
    """Resample by averaging the signal over each new sample's interval, rounded to whole counts.

    This is the simplest anti-alias filter. A recording slower than the network is interpolated instead.
    """
    if rate <= network_rate:
        return interpolate(counts, rate, network_rate)
    step, samples = rate / network_rate, counts.shape[1]
    if step.is_integer() and samples % step == 0:  # the usual case: 5 samples of 500 Hz become one of 100 Hz
        total = counts[:, :: int(step)].astype(np.int32)
        for start in range(1, int(step)):
            total += counts[:, start :: int(step)]
        means = total / np.float32(step)
        return np.rint(means, out=means).astype(np.int16)  # in place: a long recording takes less memory
    edges = np.minimum(np.arange(resampled_length(samples, rate, network_rate) + 1) * step, samples)
    before = np.minimum(edges.astype(np.int64), samples - 1)
    averages = np.empty((len(counts), len(edges) - 1), np.int16)
    for lead, average in zip(counts, averages):  # lead by lead: a long recording takes little memory
        integral = np.append(0, np.cumsum(lead, dtype=np.int64))
        at_edges = integral[before] + lead[before] * (edges - before)
        average[:] = np.rint(np.diff(at_edges) / np.maximum(np.diff(edges), 1e-9))
    return averages


def network_input(record: Record, recipe: Recipe) -> NetworkInput:
    """A recording's network input: the signal, int16 (12, samples), and ``demographics``, float32 (5,)."""
    counts = network_signal(record.counts, record.header.rate, recipe)
    return counts, demographics(record.header.age, record.header.sex)


def demographics(age: float | None, sex: str | None) -> np.ndarray:
    """float32 (5,): age / 100, age known, female, male, sex known. Unknown values are zero.

    >>> demographics(50, None).tolist()
    [0.5, 1.0, 0.0, 0.0, 0.0]
    """
    return np.array([(age or 0.0) / 100, age is not None, sex == "female", sex == "male", sex is not None], np.float32)
