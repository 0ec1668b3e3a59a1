"""The SE-ResNet of Zhao et al. (arXiv 2112.01496): 12 leads in, 24 logits out.

A 1-D ResNet-18 whose residual blocks each end in a squeeze-and-excite (SE) unit. The SE units re-weight the feature
channels by their means over the window; the paper calls this adaptive lead weighting. Age and sex join the deep
features before the last layer.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

USUAL_AMPLITUDE = 200  # counts
DEMOGRAPHICS = 5  # age / 100, age known, female, male, sex known


def measured_mask(windows: torch.Tensor) -> torch.Tensor:
    """bool, in the shape of ``windows`` (batch, leads, samples): False in a missing lead and in padding.

    A missing lead is zero at all samples, padding is zero in all leads. Any other zero is a measurement.
    """
    nonzero = windows != 0
    return nonzero.any(dim=2, keepdim=True) & nonzero.any(dim=1, keepdim=True)


def to_unit_amplitude(windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Divide ``windows`` (batch, leads, samples), each lead without its mean, by their amplitudes (batch, 1).

    The amplitude is the root mean square over all leads, so the leads keep their proportions. Missing leads and padding
    do not count and stay zero. Returns the divided windows and the amplitudes.
    """
    mask = measured_mask(windows)
    samples = mask.sum(dim=2, keepdim=True)
    windows = (windows - windows.sum(dim=2, keepdim=True) / samples.clamp(min=1)) * mask
    power = windows.square().sum(dim=(1, 2)) / samples.sum(dim=(1, 2)).clamp(min=1)
    amplitude = power.clamp(min=1).sqrt()[:, None]  # clamp before the root: the root has no gradient at 0
    return windows / amplitude[:, :, None], amplitude


class SqueezeExcite(nn.Module):
    """Scale each channel by a number in (0, 1) computed from all channels' means (Hu et al., arXiv 1709.01507)."""

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
    """nn.Dropout, but several times as fast on a CPU.

    nn.Dropout draws a 64-bit random number for each feature. Here one random number serves four features, so ``p`` is
    rounded to 1/65536.
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
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != channels:
            self.shortcut = nn.Sequential(nn.Conv1d(inputs, channels, 1, stride, bias=False), nn.BatchNorm1d(channels))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(features) + self.shortcut(features))


class SEResNet(nn.Module):
    """The network. The defaults are the paper's, with 8,837,060 parameters.

    The blocks come in four groups of two. The first group has ``width`` channels; each later group halves the samples
    and doubles the channels. With ``scale`` each window is divided by its amplitude, and the amplitude's logarithm
    joins age and sex.
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
        self.feature_size = inputs
        self.demographics = nn.Linear(DEMOGRAPHICS + scale, 10)
        self.head = nn.Linear(inputs + 10, classes)
        for module in self.modules():
            # On the meta device there is nothing to draw, and PyTorch would import its compiler, which takes a second.
            if isinstance(module, nn.Conv1d) and not module.weight.is_meta:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @torch.no_grad()
    def shift(self, shifts: np.ndarray) -> None:
        """Add ``shifts`` (classes,) to the logits of all later calls."""
        self.head.bias.add_(torch.from_numpy(shifts).to(self.head.bias))

    def forward(self, windows: torch.Tensor, demographics: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes) of ``windows`` (batch, leads, samples) and ``demographics`` (batch, 5)."""
        return self.logits(*self.normalise(windows, demographics))

    def normalise(self, windows: torch.Tensor, demographics: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The input of ``logits``: with ``scale``, windows of unit amplitude, and the amplitude beside age and sex."""
        if not self.scale:
            return windows, demographics
        with torch.autocast(windows.device.type, enabled=False):
            windows, amplitude = to_unit_amplitude(windows)
            return windows, torch.cat([demographics, torch.log(amplitude / USUAL_AMPLITUDE)], dim=1)

    def logits(self, windows: torch.Tensor, demographics: torch.Tensor) -> torch.Tensor:
        """Logits of normalised input: the last layer's, of ``features`` beside age and sex."""
        features = self.features(windows)
        with torch.autocast(windows.device.type, enabled=False):
            return self.head(torch.cat([features, self.demographics(demographics)], dim=1))

    def features(self, windows: torch.Tensor) -> torch.Tensor:
        """Features (batch, 8 x width) of normalised ``windows``: the means of the last block's channels, in float32.

        Under autocast only the residual blocks compute in 16 bits. The stem may see raw counts, which bfloat16 would
        round to 8 bits and float16 would overflow. Behind the stem's batch normalisation all values are of the order
        of 1.
        """
        with torch.autocast(windows.device.type, enabled=False):
            features = self.stem(windows)
        return self.blocks(features).mean(dim=2, dtype=torch.float32)
