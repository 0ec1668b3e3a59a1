"""Recordings as the network gets them, and how windows are cut where they lie.

The recordings of a training, or of a batch, are one int16 tensor: in memory, in a mapped file, or on the GPU. Windows
are cut out of it by index, so only the few numbers that say where they begin have to travel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ecg.data.record import LEADS
from ecg.data.windows import Windows


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
