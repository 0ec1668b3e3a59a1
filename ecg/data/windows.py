"""Windows: where the pieces of recordings lie that the network sees, at what length, and in which batches."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ecg.recipe import Recipe

STEP = 32  # a window's length is a multiple of it: the network halves time five times
POOL = 16  # batches whose recordings are sorted by length among themselves


@dataclass(frozen=True)
class Windows:
    """Windows of one length: each of its ``recording``, from its sample ``offset`` on; int64 (windows,)."""

    recording: np.ndarray
    offset: np.ndarray
    samples: int


def window_length(lengths: np.ndarray, recipe: Recipe) -> np.ndarray:
    """How many samples the windows of recordings of ``lengths`` samples have.

    Their own lengths, rounded up to STEP, between the recipe's bounds: what need not be padded is not. The published
    recipe's bounds are equal: all its windows have 4096 samples.
    """
    return np.clip(-(-lengths // STEP) * STEP, recipe.shortest_window, recipe.window)


def covering_windows(lengths: np.ndarray, recipe: Recipe) -> Iterator[Windows]:
    """For validation and test: batches of windows that cover recordings of ``lengths`` samples.

    A recording that fits is one window, padded with zeros on the right. A longer one is cut into
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
    """An epoch's batches, in random order: of each of the ``recordings`` (indices into ``lengths``) one window.

    Recordings of about the same length share a batch, and its windows are as long as the median of them asks for. A
    longer one is cropped at random, a shorter one padded with zeros that are split at random (published).
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
        spare = lengths[batch] - samples  # where negative, so many zeros are to be split
        offset = np.sign(spare) * random.integers(0, np.abs(spare), endpoint=True)
        windows.append(Windows(batch, offset, samples))
    return windows
