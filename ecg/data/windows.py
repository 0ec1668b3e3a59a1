"""Windows: the pieces of recordings that the network sees, their lengths, and their batches."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ecg.recipe import Recipe

STEP = 32  # a window's length is a multiple of it, because the network halves the samples five times
POOL = 16  # batches whose recordings are sorted by length together


@dataclass(frozen=True)
class Windows:
    """Windows of one length. Each begins at sample ``offset`` of its ``recording``; both are int64 (windows,)."""

    recording: np.ndarray
    offset: np.ndarray
    samples: int


def window_length(lengths: np.ndarray, recipe: Recipe) -> np.ndarray:
    """The window length for recordings of ``lengths`` samples, in samples.

    It is the recording's length, rounded up to STEP and clipped to the recipe's bounds, so that little is padded. The
    published recipe's bounds are equal, so all its windows have 4096 samples.
    """
    return np.clip(-(-lengths // STEP) * STEP, recipe.shortest_window, recipe.window)


def covering_windows(lengths: np.ndarray, recipe: Recipe) -> Iterator[Windows]:
    """Batches of windows that cover recordings of ``lengths`` samples, for validation and test.

    A recording that fits is one window, padded with zeros on the right. A longer recording is cut into
    ceil((length - window) / (window - overlap)) + 1 overlapping windows, the last one right-aligned (published).
    """
    spare = np.maximum(lengths - recipe.window, 0)
    counts = -(-spare // (recipe.window - recipe.overlap)) + 1
    recording = np.repeat(np.arange(len(lengths)), counts)
    number = np.arange(len(recording)) - np.repeat(np.cumsum(counts) - counts, counts)
    offset = np.minimum(number * (recipe.window - recipe.overlap), spare[recording])
    samples = window_length(lengths, recipe)[recording]
    for size in np.unique(samples):
        alike = np.flatnonzero(samples == size)
        for start in range(0, len(alike), recipe.batch):
            chosen = alike[start : start + recipe.batch]
            yield Windows(recording[chosen], offset[chosen], int(size))


def training_windows(
    recordings: np.ndarray, lengths: np.ndarray, recipe: Recipe, random: np.random.Generator
) -> list[Windows]:
    """An epoch's batches in random order, with one window of each of ``recordings`` (indices into ``lengths``).

    Recordings of similar length share a batch; the window length is that of their median. A longer recording is cropped
    at random. A shorter one is padded with zeros that are split between both sides at random (published).
    """
    order = random.permutation(recordings)
    size = window_length(lengths, recipe)
    batches = []
    for start in range(0, len(order), POOL * recipe.batch):
        pool = order[start : start + POOL * recipe.batch]
        pool = pool[np.argsort(size[pool], kind="stable")]
        batches += [pool[i : i + recipe.batch] for i in range(0, len(pool), recipe.batch)]
    windows = []
    for number in random.permutation(len(batches)):
        batch = batches[number]
        samples = int(size[batch[len(batch) // 2]])
        spare = lengths[batch] - samples  # negative: the number of zeros to pad
        offset = np.sign(spare) * random.integers(0, np.abs(spare), endpoint=True)
        windows.append(Windows(batch, offset, samples))
    return windows
