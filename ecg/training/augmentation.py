"""Augmentation: each training window as another device might have recorded it, with noise, or with leads missing.

Each recording of a batch is changed on its own, on the device where the batch lies. Padding and missing leads stay
zero. The random numbers are PyTorch's, so a resumed training draws the same ones.
"""

import math

import torch

from ecg.model.network import measured_mask, to_unit_amplitude

HIGH_PASS = (0.05, 1.0)  # Hz, for half of the recordings
LOW_PASS = (15.0, 50.0)  # Hz, for half of the recordings
WANDER = (0.05, 0.5)  # Hz, in half of the recordings
LARGEST_WANDER = 0.7  # of the recording's amplitude
LARGEST_NOISE = 0.2  # of the recording's amplitude, in half of the recordings, usually far less
GAIN = 0.2  # standard deviation of the logarithm of the recording's gain
LEAD_GAIN = 0.08  # standard deviation of the logarithm of each lead's gain
OTHER_UNIT = 0.1  # the fraction of recordings in another unit, larger or smaller by up to this factor:
LARGEST_UNIT = 10.0
LOSING_LEADS = 0.4  # the fraction of recordings that lose leads, each lead with this probability:
LOST_LEAD = 0.15


def augment(windows: torch.Tensor, rate: float) -> torch.Tensor:
    """``windows`` (batch, leads, samples) at ``rate`` Hz, each changed at random."""
    mask, amplitude = measured_mask(windows), to_unit_amplitude(windows)[1][:, :, None]
    windows = _filter(windows, rate) + amplitude * (_wander(windows, rate) + _noise(windows))
    batch, leads, _ = windows.shape
    unit = math.log(LARGEST_UNIT) * _choose(windows, OTHER_UNIT) * (2 * _uniform(windows, batch, 1, 1) - 1)
    gain = torch.exp(unit + GAIN * _normal(windows, batch, 1, 1) + LEAD_GAIN * _normal(windows, batch, leads, 1))
    lost = _choose(windows, LOSING_LEADS) & (_uniform(windows, batch, leads, 1) < LOST_LEAD)
    return windows * gain * (mask & ~lost)


def _filter(windows: torch.Tensor, rate: float) -> torch.Tensor:
    """The filters of recorders: high-pass, low-pass, both or neither."""
    batch, _, samples = windows.shape
    frequency = torch.fft.rfftfreq(samples, 1 / rate, device=windows.device)
    lowest = HIGH_PASS[0] * (HIGH_PASS[1] / HIGH_PASS[0]) ** _uniform(windows, batch, 1, 1)
    high_pass = 1 - torch.exp(-((frequency / lowest) ** 2))
    high_pass[:, :, 0] = 1  # keep the offset
    highest = LOW_PASS[0] + (LOW_PASS[1] - LOW_PASS[0]) * _uniform(windows, batch, 1, 1)
    low_pass = torch.rsqrt(1 + (frequency / highest) ** 6)
    response = torch.where(_choose(windows, 0.5), high_pass, 1) * torch.where(_choose(windows, 0.5), low_pass, 1)
    return torch.fft.irfft(torch.fft.rfft(windows) * response, samples)


def _wander(windows: torch.Tensor, rate: float) -> torch.Tensor:
    """Baseline wander by breathing: one slow wave, with another size in each lead."""
    batch, leads, samples = windows.shape
    time = torch.arange(samples, device=windows.device) / rate
    frequency = WANDER[0] + (WANDER[1] - WANDER[0]) * _uniform(windows, batch, 1, 1)
    wave = torch.sin(2 * math.pi * (frequency * time + _uniform(windows, batch, 1, 1)))
    size = LARGEST_WANDER * _choose(windows, 0.5) * _uniform(windows, batch, 1, 1)
    return size * _normal(windows, batch, leads, 1) * wave


def _noise(windows: torch.Tensor) -> torch.Tensor:
    size = LARGEST_NOISE * _choose(windows, 0.5) * _uniform(windows, len(windows), 1, 1).square()
    return size * torch.randn_like(windows)


def _choose(windows: torch.Tensor, fraction: float) -> torch.Tensor:
    """bool (batch, 1, 1): True for a random ``fraction`` of the recordings."""
    return _uniform(windows, len(windows), 1, 1) < fraction


def _uniform(windows: torch.Tensor, *shape: int) -> torch.Tensor:
    return torch.rand(shape, device=windows.device)


def _normal(windows: torch.Tensor, *shape: int) -> torch.Tensor:
    return torch.randn(shape, device=windows.device)
