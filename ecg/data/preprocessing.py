"""Counts -> what the network sees: gaps closed, resampled, limb leads complete. The one preprocessing of the project.

The network's unit is the ADC count as it stands in the signal file, with no offset and no scale (published code;
in the Challenge's corrected data 1 count = 1 uV). A header's gain is not applied: over byte-identical samples
headers have said 200, 1000, 4880 and 2,000,000 counts a millivolt, and every readable entry of 2020 that divided by
it fell from 0.60 or more to below 0.31 when the hidden headers differed.
"""

import numpy as np

from ecg.data.record import INVALID, Record
from ecg.recipe import Recipe

NetworkInput = tuple[np.ndarray, np.ndarray]  # int16 (12, samples); float32 (5,), see demographics

# The limb leads are differences of three electrodes' potentials, so of two dimensions: of each the parts of I and II.
OF_I_AND_II = np.array([(1, 0), (0, 1), (-1, 1), (-0.5, -0.5), (1, -0.5), (-0.5, 1)])  # I, II, III, aVR, aVL, aVF


def network_signal(counts: np.ndarray, rate: float, recipe: Recipe) -> np.ndarray:
    """``counts`` (12, samples) at ``rate`` Hz -> int16 (12, resampled) at the recipe's rate, by its resampling.

    Samples marked INVALID are bridged first, so that no gap becomes a spike of -32768. Limb leads that are missing are
    computed where two others are there.
    """
    if recipe.trim:
        counts = trim_silence(counts)
    resample = {"interpolate": interpolate, "average": average}[recipe.resampling]
    return fill_limb_leads(resample(bridge_gaps(counts), rate, recipe.rate))


def fill_limb_leads(counts: np.ndarray) -> np.ndarray:
    """``counts`` (12, samples) with those limb leads that are all zero computed from the others, if two are there.

    By Einthoven's law (III = II - I) and Goldberger's definitions (aVF = (II + III) / 2, and so on); of more than two,
    the least squares. Nothing is known of a chest lead that is missing: it stays zero.
    """
    there = counts[: len(OF_I_AND_II)].any(axis=1)
    if there.all() or there.sum() < 2:
        return counts
    from_others = OF_I_AND_II @ np.linalg.pinv(OF_I_AND_II[there])
    others, counts = np.flatnonzero(there), counts.copy()
    for lead in np.flatnonzero(~there):  # lead by lead: a long recording takes little memory
        computed = sum(part * counts[other] for part, other in zip(from_others[lead].astype(np.float32), others))
        counts[lead] = np.rint(np.clip(computed, -32767, 32767))
    return counts


def trim_silence(counts: np.ndarray) -> np.ndarray:
    """``counts`` (leads, samples) without the ends where no lead changes any more: an electrode off, a file filled up.

    A last value that is held is left once, one of zeros or INVALID not at all; of nothing but silence, one sample.
    """
    return counts[:, signal_span(counts)]


def signal_span(counts: np.ndarray) -> slice:
    """The samples of ``counts`` (leads, samples) that ``trim_silence`` leaves."""
    samples = counts.shape[1]
    if samples < 2 or ((counts[:, 0] != counts[:, 1]).any() and (counts[:, -1] != counts[:, -2]).any()):
        return slice(0, samples)
    changes = np.flatnonzero((counts[:, 1:] != counts[:, :-1]).any(axis=0))
    if not changes.size:
        return slice(0, 1)
    first, last = int(changes[0]), int(changes[-1]) + 1  # the samples before the first change and after the last one
    first += first > 0 and _is_nothing(counts[:, first])
    last -= last < samples - 1 and _is_nothing(counts[:, last])
    return slice(first, last + 1) if first <= last else slice(0, 1)


def _is_nothing(sample: np.ndarray) -> bool:
    return bool(np.isin(sample, (0, INVALID)).all())


def bridge_gaps(counts: np.ndarray) -> np.ndarray:
    """Bridges each lead's INVALID samples by a straight line; a lead with no valid sample is flat at zero."""
    invalid = counts == INVALID
    if not invalid.any():
        return counts
    counts = counts.copy()
    times = np.arange(counts.shape[1])
    for lead in np.flatnonzero(invalid.any(axis=1)):
        gap = invalid[lead]
        counts[lead, gap] = 0 if gap.all() else np.rint(np.interp(times[gap], times[~gap], counts[lead, ~gap]))
    return counts


def resampled_length(samples: int, rate: float, network_rate: float) -> int:
    """How many samples ``samples`` at ``rate`` become at ``network_rate``: at least one."""
    return max(1, round(samples * network_rate / rate))


def interpolate(counts: np.ndarray, rate: float, network_rate: float) -> np.ndarray:
    """Linear interpolation along time, rounded to whole counts (an error of at most 0.5 uV)."""
    if rate == network_rate:
        return counts
    last = counts.shape[1] - 1
    at = np.arange(resampled_length(counts.shape[1], rate, network_rate)) * (rate / network_rate)
    before = np.minimum(at.astype(np.int64), last)
    after = np.minimum(before + 1, last)
    weight = (at - before).astype(np.float32).clip(0, 1)
    seen = np.empty((len(counts), len(at)), np.int16)
    for lead, interpolated in zip(counts, seen):  # lead by lead: a long recording takes little memory
        start = lead[before].astype(np.float32)
        interpolated[:] = np.rint(start + (lead[after] - start) * weight)
    return seen


def average(counts: np.ndarray, rate: float, network_rate: float) -> np.ndarray:
    """Each sample the mean of the signal over its own stretch of time, rounded to whole counts.

    The simplest filter against aliasing, for a network slower than the recording; a slower recording is interpolated.
    """
    if rate <= network_rate:
        return interpolate(counts, rate, network_rate)
    step, samples = rate / network_rate, counts.shape[1]
    if step.is_integer() and samples % step == 0:  # as nearly always: 5 samples of 500 Hz for one of 100 Hz
        total = sum(counts[:, start :: int(step)].astype(np.int32) for start in range(int(step)))
        return np.rint(total / np.float32(step)).astype(np.int16)
    edges = np.minimum(np.arange(resampled_length(samples, rate, network_rate) + 1) * step, samples)
    before = np.minimum(edges.astype(np.int64), samples - 1)
    averages = np.empty((len(counts), len(edges) - 1), np.int16)
    for lead, average in zip(counts, averages):  # lead by lead: a long recording takes little memory
        integral = np.append(0, np.cumsum(lead, dtype=np.int64))
        at_edges = integral[before] + lead[before] * (edges - before)
        average[:] = np.rint(np.diff(at_edges) / np.maximum(np.diff(edges), 1e-9))
    return averages


def network_input(record: Record, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """All that the network sees of a recording: int16 (12, samples), and age and sex, float32 (5,)."""
    counts = network_signal(record.counts, record.header.rate, recipe)
    return counts, demographics(record.header.age, record.header.sex)


def demographics(age: float | None, sex: str | None) -> np.ndarray:
    """float32 (5,): age / 100, age known, female, male, sex known. Unknown is all zeros, with the mask to say so."""
    return np.array([(age or 0.0) / 100, age is not None, sex == "female", sex == "male", sex is not None], np.float32)
