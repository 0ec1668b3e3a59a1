"""The SE-ResNet of Zhao et al. (arXiv 2112.01496): 12 leads in, 24 logits out.

A 1-D ResNet-18 whose residual blocks each end in a squeeze-and-excite (SE) unit. The units re-weight feature
channels by what the whole window shows; the paper calls this adaptive lead weighting. Age and sex join the deep
features just before the last layer.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

USUAL_AMPLITUDE = 200  # counts
DEMOGRAPHICS = 5  # age / 100, age known, female, male, sex known


def measured(windows: torch.Tensor) -> torch.Tensor:
    """Boolean, as ``windows`` (batch, leads, samples): false in a missing lead and in padding, where all leads are 0.

    A single zero is a measurement: a signal crosses zero.
    """
    nonzero = windows != 0
    return nonzero.any(dim=2, keepdim=True) & nonzero.any(dim=1, keepdim=True)


def to_unit_amplitude(windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``windows`` (batch, leads, samples) without each lead's offset, divided by their amplitudes (batch, 1).

    The amplitude is the root mean square over all leads, so what they are to each other stays. What was not measured
    does not count and stays zero.
    """
    live = measured(windows)
    of_lead = live.sum(dim=2, keepdim=True)
    windows = (windows - windows.sum(dim=2, keepdim=True) / of_lead.clamp(min=1)) * live
    power = windows.square().sum(dim=(1, 2)) / of_lead.sum(dim=(1, 2)).clamp(min=1)
    amplitude = power.clamp(min=1).sqrt()[:, None]  # in this order: at 0 the root has no gradient
    return windows / amplitude[:, :, None], amplitude


class SqueezeExcite(nn.Module):
    """Scales each channel by a number in (0, 1) computed from all channels' means (Hu et al., arXiv 1709.01507)."""

    def __init__(self, channels: int, reduction: int):
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channels // reduction, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features * self.weigh(features.mean(dim=2)).unsqueeze(2)


class Dropout(nn.Module):
    """nn.Dropout, several times as fast on a processor, where that draws a 64-bit random number for each feature.

    Here one serves four features, so ``p`` is rounded to 1/65536.
    """

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if not (self.training and features.is_cpu):
            return functional.dropout(features, self.p, self.training)
        draws = torch.empty(-(-features.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        kept = draws[: features.numel()].view(features.shape) >= round(self.p * 65536) - 32768
        return features * kept.to(features.dtype).mul_(1 / (1 - self.p))


class ResidualBlock(nn.Module):
    """conv - BN - ReLU - dropout - conv - BN - SE, added to its own input, then ReLU."""

    def __init__(self, inputs: int, channels: int, kernel: int, stride: int, dropout: float, reduction: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(inputs, channels, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm1d(channels),
            nn.ReLU(inplace=True),
            Dropout(dropout),
            nn.Conv1d(channels, channels, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm1d(channels),
            SqueezeExcite(channels, reduction),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != channels:
            self.shortcut = nn.Sequential(nn.Conv1d(inputs, channels, 1, stride, bias=False), nn.BatchNorm1d(channels))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(features) + self.shortcut(features))


class SEResNet(nn.Module):
    """The network. With the defaults it is the paper's, of 8,837,060 parameters.

    The blocks come in four groups of two, the first of ``width`` channels; each group after it halves time, and doubles
    the channels. With ``scale`` each window is divided by its amplitude, whose logarithm joins age and sex.
    """

    def __init__(
        self,
        classes: int = 24,
        leads: int = 12,
        width: int = 64,
        stem_kernel: int = 15,
        kernel: int = 7,
        dropout: float = 0.2,
        reduction: int = 16,
        scale: bool = False,
    ):
        super().__init__()
        self.scale = scale
        self.stem = nn.Sequential(
            nn.Conv1d(leads, width, stem_kernel, stride=2, padding=stem_kernel // 2, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool1d(3, stride=2, padding=1),
        )
        blocks, inputs = [], width
        for group in range(4):
            channels = width * 2**group
            for block in range(2):
                stride = 2 if group > 0 and block == 0 else 1
                blocks.append(ResidualBlock(inputs, channels, kernel, stride, dropout, reduction))
                inputs = channels
        self.blocks = nn.Sequential(*blocks)
        self.demographics = nn.Linear(DEMOGRAPHICS + scale, 10)
        self.head = nn.Linear(inputs + 10, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @torch.no_grad()
    def shift(self, shifts: np.ndarray) -> None:
        """From now on each class's logit is larger by its part of ``shifts`` (classes,)."""
        self.head.bias += torch.from_numpy(shifts).to(self.head.bias)

    def forward(self, windows: torch.Tensor, demographics: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes) of ``windows`` (batch, leads, samples) and ``demographics`` (batch, 5)."""
        return self.logits(*self.prepared(windows, demographics))

    def prepared(self, windows: torch.Tensor, demographics: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What ``logits`` gets of them: with ``scale`` in units of their amplitude, told beside age and sex."""
        if not self.scale:
            return windows, demographics
        with torch.autocast(windows.device.type, enabled=False):
            windows, amplitude = to_unit_amplitude(windows)
            return windows, torch.cat([demographics, torch.log(amplitude / USUAL_AMPLITUDE)], dim=1)

    def logits(self, windows: torch.Tensor, demographics: torch.Tensor) -> torch.Tensor:
        """Under autocast the residual blocks alone compute in short numbers.

        The stem may see raw counts: bfloat16 would keep 8 bits of them, float16 overflow. Behind its batch
        normalisation all is of the order of 1.
        """
        with torch.autocast(windows.device.type, enabled=False):
            features = self.stem(windows)
        features = self.blocks(features).mean(dim=2, dtype=torch.float32)
        with torch.autocast(windows.device.type, enabled=False):
            return self.head(torch.cat([features, self.demographics(demographics)], dim=1))
