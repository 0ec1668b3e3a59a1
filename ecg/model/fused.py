"""All networks of an ensemble together on one window: the fastest way on a CPU to run one recording at a time.

A convolution of one window takes little time; the calls around it take as much. Here batch normalisation is folded into
the weights, and the networks compute together: the same convolution of all networks is one batched matrix product. Each
row of the left matrix holds the samples under the kernel at one place; the rows overlap in memory.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ecg.model.compute import Compute
from ecg.model.network import ResidualBlock, SEResNet

FEW_WINDOWS = 4  # more are faster in one batch, one network after the other


class FusedNetworks:
    """The networks in evaluation mode, with weights of their own in the dtype of ``compute``.

    Stem and head compute in float32, as in SEResNet.
    """

    def __init__(self, networks: Sequence[SEResNet], compute: Compute):
        self._networks = networks
        self._dtype = compute.dtype
        stems = [_folded(network.stem[0], network.stem[1]) for network in networks]
        self._stem_weight, self._stem_bias = (torch.cat(parts) for parts in zip(*stems))
        blocks = zip(*(network.blocks for network in networks))
        self._blocks = [_FusedBlock(alike, compute.dtype) for alike in blocks]

    def probabilities(self, windows: torch.Tensor, demographics: torch.Tensor) -> torch.Tensor:
        """Probabilities (networks, windows, classes) of ``windows`` (windows, leads, samples) and ``demographics``."""
        with torch.autocast(windows.device.type, enabled=False):
            windows, demographics = self._networks[0].normalise(windows, demographics)
            features = torch.stack([self._features(window) for window in windows], dim=1)
            logits = [
                network.head(torch.cat([of_network, network.demographics(demographics)], dim=1))
                for network, of_network in zip(self._networks, features)
            ]
            return torch.sigmoid(torch.stack(logits))

    def _features(self, window: torch.Tensor) -> torch.Tensor:
        """Features (networks, 8 x width) of a normalised ``window`` (leads, samples)."""
        convolution: Any = self._networks[0].stem[0]
        pool = self._networks[0].stem[3]
        stem = functional.conv1d(
            window[None], self._stem_weight, self._stem_bias, convolution.stride, convolution.padding
        )
        stem = pool(stem.relu_())
        values = stem.view(len(self._networks), -1, stem.shape[2]).transpose(1, 2).to(self._dtype).contiguous()
        for block in self._blocks:
            values = block(values)
        return values.mean(dim=1, dtype=torch.float32)


class _FusedBlock:
    """The same residual block of all networks. Values are (networks, samples, channels)."""

    def __init__(self, blocks: Sequence[ResidualBlock], dtype: torch.dtype):
        self._first = _FusedConvolution([(block.body[0], block.body[1]) for block in blocks], dtype)
        self._second = _FusedConvolution([(block.body[4], block.body[5]) for block in blocks], dtype)
        units: list[Any] = [block.body[6] for block in blocks]
        self._squeeze, self._excite = (_stacked([unit.weigh[i].weight.t() for unit in units], dtype) for i in (0, 2))
        shortcuts: list[Any] = [block.shortcut for block in blocks]
        self._shortcut = None
        if not isinstance(shortcuts[0], nn.Identity):
            self._shortcut = _FusedConvolution([(layers[0], layers[1]) for layers in shortcuts], dtype)

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        body = self._second(self._first(values).relu_())
        weights = (body.mean(dim=1, keepdim=True) @ self._squeeze).relu_() @ self._excite
        shortcut = values if self._shortcut is None else self._shortcut(values)
        return torch.addcmul(shortcut, body, weights.sigmoid_()).relu_()


class _FusedConvolution:
    """The same convolution and batch normalisation of all networks."""

    def __init__(self, layers: Sequence[tuple[Any, Any]], dtype: torch.dtype):
        weights, biases = zip(*(_folded(*layer) for layer in layers))
        self._weight = _stacked([weight.permute(2, 1, 0).flatten(0, 1) for weight in weights], dtype)
        self._bias = _stacked([bias[None] for bias in biases], dtype)
        (self._kernel,), (self._stride,), (self._padding,) = (
            getattr(layers[0][0], name) for name in ("kernel_size", "stride", "padding")
        )

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        if self._padding:
            values = functional.pad(values, (0, 0, self._padding, self._padding))
        networks, samples, channels = values.shape
        shape = networks, (samples - self._kernel) // self._stride + 1, self._kernel * channels
        seen = values.as_strided(shape, (samples * channels, self._stride * channels, 1))
        return torch.baddbmm(self._bias, seen, self._weight)


def _folded(convolution: Any, norm: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of a Conv1d and the BatchNorm1d behind it, as one convolution."""
    weight, bias = fuse_conv_bn_weights(
        convolution.weight, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    return weight.detach(), bias.detach()


def _stacked(of_networks: Sequence[torch.Tensor], dtype: torch.dtype) -> torch.Tensor:
    return torch.stack([tensor.detach() for tensor in of_networks]).to(dtype).contiguous()
