"""What could have been recorded in a training window's place: by another device, with more noise, with a lead off.

Each recording of a batch is changed on its own, on the device where it lies. What was not measured - padding, a lead
that is missing - stays zero. The random numbers are PyTorch's, so a training that is gone on with draws the same ones.
"""

import math

import torch

from ecg.model.network import measured, to_unit_amplitude

HIGH_PASS = (0.05, 1.0)  # Hz, of half of the recordings
LOW_PASS = (15.0, 50.0)  # Hz, of half of the recordings
WANDER = (0.05, 0.5)  # Hz, in half of the recordings
LARGEST_WANDER = 0.7  # of the recording's own amplitude
LARGEST_NOISE = 0.2  # of the same, in half of the recordings, most often far less
GAIN = 0.2  # standard deviation of its logarithm, of the whole recording
LEAD_GAIN = 0.08  # the same, of each lead
OTHER_UNIT = 0.1  # of the recordings are in another unit, up to so many times larger or smaller:
LARGEST_UNIT = 10.0
LOSING_LEADS = 0.4  # of the recordings, and each of their leads is then lost with
LOST_LEAD = 0.15


def augment(windows: torch.Tensor, rate: float) -> torch.Tensor:
    """``windows`` (batch, leads, samples) at ``rate`` Hz, each as another recording of the same heart."""
    live, amplitude = measured(windows), to_unit_amplitude(windows)[1][:, :, None]
    windows = _through_another_device(windows, rate) + amplitude * (_wander(windows, rate) + _noise(windows))
    batch, leads, _ = windows.shape
    unit = math.log(LARGEST_UNIT) * _some(windows, OTHER_UNIT) * (2 * _uniform(windows, batch, 1, 1) - 1)
    gain = torch.exp(unit + GAIN * _normal(windows, batch, 1, 1) + LEAD_GAIN * _normal(windows, batch, leads, 1))
    lost = _some(windows, LOSING_LEADS) & (_uniform(windows, batch, leads, 1) < LOST_LEAD)
    return windows * gain * (live & ~lost)


def _through_another_device(windows: torch.Tensor, rate: float) -> torch.Tensor:
    """Filtered as recorders do: slow waves, fast ones, both or neither are lost."""
    batch, _, samples = windows.shape
    frequency = torch.fft.rfftfreq(samples, 1 / rate, device=windows.device)
    lowest = HIGH_PASS[0] * (HIGH_PASS[1] / HIGH_PASS[0]) ** _uniform(windows, batch, 1, 1)
    high_pass = 1 - torch.exp(-((frequency / lowest) ** 2))
    high_pass[:, :, 0] = 1  # a recording's offset is the recorder's affair
    highest = LOW_PASS[0] + (LOW_PASS[1] - LOW_PASS[0]) * _uniform(windows, batch, 1, 1)
    low_pass = torch.rsqrt(1 + (frequency / highest) ** 6)
    response = torch.where(_some(windows, 0.5), high_pass, 1) * torch.where(_some(windows, 0.5), low_pass, 1)
    return torch.fft.irfft(torch.fft.rfft(windows) * response, samples)


def _wander(windows: torch.Tensor, rate: float) -> torch.Tensor:
    """The baseline as breathing moves it: in each lead another part of the same slow wave."""
    batch, leads, samples = windows.shape
    time = torch.arange(samples, device=windows.device) / rate
    frequency = WANDER[0] + (WANDER[1] - WANDER[0]) * _uniform(windows, batch, 1, 1)
    wave = torch.sin(2 * math.pi * (frequency * time + _uniform(windows, batch, 1, 1)))
    size = LARGEST_WANDER * _some(windows, 0.5) * _uniform(windows, batch, 1, 1)
    return size * _normal(windows, batch, leads, 1) * wave


def _noise(windows: torch.Tensor) -> torch.Tensor:
    size = LARGEST_NOISE * _some(windows, 0.5) * _uniform(windows, len(windows), 1, 1).square()
    return size * torch.randn_like(windows)


def _some(windows: torch.Tensor, part: float) -> torch.Tensor:
    """Boolean (batch, 1, 1): true for ``part`` of the recordings."""
    return _uniform(windows, len(windows), 1, 1) < part


def _uniform(windows: torch.Tensor, *shape: int) -> torch.Tensor:
    return torch.rand(shape, device=windows.device)


def _normal(windows: torch.Tensor, *shape: int) -> torch.Tensor:
    return torch.randn(shape, device=windows.device)
