"""Windows: the pieces of recordings that the network sees, and how they are cut where the recordings lie.

The recordings of a training, or of a batch, are one int16 tensor: in memory, in a mapped file, or on the GPU. Windows
are cut out of it by index, so only the few numbers that say where they begin have to travel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ecg.recipe import Recipe
from ecg.records import LEADS

STEP = 32  # a window's length is a multiple of it: the network halves time five times
POOL = 16  # batches whose recordings are sorted by length among themselves


@dataclass(frozen=True)
class Windows:
    """Windows of one length: each of its ``recording``, from its sample ``offset`` on; int64 (windows,)."""

    recording: np.ndarray
    offset: np.ndarray
    samples: int


@dataclass(frozen=True)
class Recordings:
    """What the network sees of recordings: their signals one after another, each (12, length), and age and sex."""

    counts: torch.Tensor  # int16 (12 x all samples,)
    lengths: np.ndarray  # int64 (recordings,), in samples
    demographics: torch.Tensor  # float32 (recordings, 5)

    @classmethod
    def of(cls, signals: Sequence[np.ndarray], demographics: Sequence[np.ndarray]) -> "Recordings":
        """Of ``signals``, each int16 (12, samples), and ``demographics``, each float32 (5,)."""
        counts = np.concatenate([np.ravel(signal) for signal in signals])
        return cls.over(counts, np.array([signal.shape[1] for signal in signals]), np.stack(demographics))

    @classmethod
    def over(cls, counts: np.ndarray, lengths: np.ndarray, demographics: np.ndarray) -> "Recordings":
        """Over arrays as they are, without a copy."""
        return cls(torch.from_numpy(counts), lengths, torch.from_numpy(demographics))

    def to(self, device: torch.device) -> "Recordings":
        return Recordings(self.counts.to(device), self.lengths, self.demographics.to(device))

    @cached_property
    def _starts(self) -> np.ndarray:
        return len(LEADS) * (np.cumsum(self.lengths) - self.lengths)

    def cut(self, windows: Windows, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """The network's input on ``device``: float32 (windows, 12, samples) and (windows, 5); zero outside them."""
        here = self.counts.device
        of_windows = self.lengths[windows.recording], self._starts[windows.recording], windows.offset, windows.recording
        # one transfer, and none that waits for the device
        lengths, starts, offset, recording = torch.from_numpy(np.stack(of_windows)).to(here, non_blocking=True)
        lengths, starts = lengths[:, None, None], starts[:, None, None]
        at = offset[:, None, None] + torch.arange(windows.samples, device=here)
        lead = torch.arange(len(LEADS), device=here)[:, None]
        index = starts + lead * lengths + at.clamp(min=0).minimum(lengths - 1)
        signals = self.counts[index] * ((at >= 0) & (at < lengths))
        return tuple(part.to(device, non_blocking=True).float() for part in (signals, self.demographics[recording]))


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
