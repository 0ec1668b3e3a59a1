"""Recordings packed into one int16 tensor, and windows cut from it by index.

The tensor lies in memory, in a mapped file or on the GPU. Only the few numbers that say where the windows begin travel
to the device.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from ecg.data.lead_names import LEADS
from ecg.data.preprocessing import NetworkInput
from ecg.data.windows import Windows


@dataclass(frozen=True)
class PackedRecordings:
    """Network inputs of recordings: their signals one after another, each (12, length), with age and sex."""

    counts: torch.Tensor  # int16 (12 x all samples,)
    lengths: np.ndarray  # int64 (recordings,), in samples
    demographics: torch.Tensor  # float32 (recordings, 5)

    @classmethod
    def over(cls, counts: np.ndarray, lengths: np.ndarray, demographics: np.ndarray) -> "PackedRecordings":
        """Wrap the arrays without a copy."""
        return cls(torch.from_numpy(counts), lengths, torch.from_numpy(demographics))

    def to(self, device: torch.device) -> "PackedRecordings":
        return PackedRecordings(self.counts.to(device), self.lengths, self.demographics.to(device))

    @cached_property
    def _starts(self) -> np.ndarray:
        return len(LEADS) * (np.cumsum(self.lengths) - self.lengths)

    def cut(self, windows: Windows, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """The network's input on ``device``: float32 (windows, 12, samples) and (windows, 5).

        Samples outside a recording are zero.
        """
        here = self.counts.device
        of_windows = self.lengths[windows.recording], self._starts[windows.recording], windows.offset, windows.recording
        # One non-blocking transfer: the device never waits.
        lengths, starts, offset, recording = torch.from_numpy(np.stack(of_windows)).to(here, non_blocking=True)
        lengths, starts = lengths[:, None, None], starts[:, None, None]
        at = offset[:, None, None] + torch.arange(windows.samples, device=here)
        lead = torch.arange(len(LEADS), device=here)[:, None]
        index = starts + lead * lengths + at.clamp(min=0).minimum(lengths - 1)
        signals = self.counts[index] * ((at >= 0) & (at < lengths))
        demographics = self.demographics[recording]
        return signals.to(device, non_blocking=True).float(), demographics.to(device, non_blocking=True).float()


def pack(inputs: Iterable[NetworkInput]) -> PackedRecordings:
    """Copies ``inputs``, each a signal, int16 (12, samples), and its demographics, float32 (5,), into one tensor."""
    signals, demographics = zip(*inputs)
    counts = np.concatenate([np.ravel(signal) for signal in signals])
    return PackedRecordings.over(counts, np.array([signal.shape[1] for signal in signals]), np.stack(demographics))
