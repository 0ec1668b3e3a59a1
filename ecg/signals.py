"""Counts -> what the network sees: gaps closed, resampled, cut into windows. The one preprocessing of the project.

The network's unit is the ADC count as it stands in the signal file, with no offset and no scale (published code;
in the Challenge's corrected data 1 count = 1 uV). A header's gain is not applied: over byte-identical samples
headers have said 200, 1000, 4880 and 2,000,000 counts a millivolt, and every readable entry of 2020 that divided by
it fell from 0.60 or more to below 0.31 when the hidden headers differed.
"""

import numpy as np

from ecg.records import INVALID


def network_input(counts: np.ndarray, rate: float, network_rate: float) -> np.ndarray:
    """``counts`` (leads, samples) at ``rate`` Hz -> int16 (leads, resampled) at ``network_rate`` Hz.

    Linear interpolation without an anti-alias filter, as published. Samples marked INVALID are bridged first, so that
    no gap becomes a spike of -32768.
    """
    return resample(close_gaps(counts), rate, network_rate)


def close_gaps(counts: np.ndarray) -> np.ndarray:
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


def resample(counts: np.ndarray, rate: float, network_rate: float) -> np.ndarray:
    """Linear interpolation along time, rounded to whole counts (an error of at most 0.5 uV)."""
    if rate == network_rate:
        return counts
    last = counts.shape[1] - 1
    at = np.arange(resampled_length(counts.shape[1], rate, network_rate)) * (rate / network_rate)
    before = np.minimum(at.astype(np.int64), last)
    after = np.minimum(before + 1, last)
    weight = (at - before).astype(np.float32).clip(0, 1)
    start = counts[:, before].astype(np.float32)
    return np.rint(start + (counts[:, after] - start) * weight).astype(np.int16)


def windows(samples: np.ndarray, length: int, overlap: int) -> np.ndarray:
    """``samples`` (leads, n) -> (windows, leads, length), for validation and test.

    A shorter recording is one window, padded with zeros on the right. A longer one is cut into
    ceil((n - length) / (length - overlap)) + 1 overlapping windows, the last one right-aligned (published).
    """
    n = samples.shape[1]
    if n <= length:
        return np.pad(samples, ((0, 0), (0, length - n)))[np.newaxis]
    count = -(-(n - length) // (length - overlap)) + 1
    starts = np.minimum(np.arange(count) * (length - overlap), n - length)
    return np.stack([samples[:, start : start + length] for start in starts])


def training_window(samples: np.ndarray, length: int, random: np.random.Generator) -> np.ndarray:
    """``samples`` (leads, n) -> (leads, length): a random crop, or random zero padding on both sides (published)."""
    spare = length - samples.shape[1]
    if spare >= 0:
        left = int(random.integers(spare + 1))
        return np.pad(samples, ((0, 0), (left, spare - left)))
    start = int(random.integers(-spare + 1))
    return samples[:, start : start + length]


def demographics(age: float | None, sex: str | None) -> np.ndarray:
    """float32 (5,): age / 100, age known, female, male, sex known. Unknown is all zeros, with the mask to say so."""
    return np.array([(age or 0.0) / 100, age is not None, sex == "female", sex == "male", sex is not None], np.float32)
