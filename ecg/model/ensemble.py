"""What the networks of an ensemble give for windows, one by one or as the mean over a recording's windows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from ecg.data.packed import PackedRecordings
from ecg.data.windows import Windows, covering_windows
from ecg.errors import NonFiniteError
from ecg.model.compute import Compute
from ecg.model.network import SEResNet
from ecg.recipe import Recipe

Quantity = Callable[[Sequence[SEResNet], torch.Tensor, torch.Tensor], torch.Tensor]


def probabilities(networks: Iterable[SEResNet], windows: torch.Tensor, demographics: torch.Tensor) -> torch.Tensor:
    """Probabilities (networks, windows, classes) of network input, as ``PackedRecordings.cut`` gives it."""
    return torch.sigmoid(torch.stack([network(windows, demographics) for network in networks]))


def features(networks: Iterable[SEResNet], windows: torch.Tensor, demographics: torch.Tensor) -> torch.Tensor:
    """Features (networks, windows, 8 x width) of the same input. They do not depend on age and sex."""
    return torch.stack([network.features(network.normalise(windows, demographics)[0]) for network in networks])


@torch.inference_mode()
def run_windows(
    quantity: Quantity,
    networks: Sequence[SEResNet],
    recordings: PackedRecordings,
    chosen: np.ndarray,
    recipe: Recipe,
    compute: Compute,
) -> Iterator[tuple[Windows, np.ndarray]]:
    """Yield batches of the windows that cover the ``chosen`` recordings (indices), and the ``quantity`` of them.

    The windows' ``recording`` is an index into ``chosen``; the quantity is float64 (networks, windows, values).
    """
    for network in networks:
        if network.training:  # a walk through all modules, which takes a millisecond
            network.eval()
    for windows in covering_windows(recordings.lengths[chosen], recipe):
        batch = recordings.cut(replace(windows, recording=chosen[windows.recording]), compute.device)
        with compute.autocast():
            values = quantity(networks, *batch)
        yield windows, values.double().cpu().numpy()


def mean_over_windows(
    batches: Iterable[tuple[Windows, np.ndarray]], shape: tuple[int, int, int], name: str
) -> np.ndarray:
    """The mean over the windows of each recording of what ``run_windows`` yields.

    ``shape`` is that of the result: networks, recordings, values. Raises NonFiniteError, with the
    quantity's ``name``, if a value is not finite.
    """
    total, parts = np.zeros(shape), np.zeros(shape[1])
    for windows, values in batches:
        for sums, of_network in zip(total, values):
            np.add.at(sums, windows.recording, of_network)
        np.add.at(parts, windows.recording, 1)
    if not np.isfinite(total).all():
        raise NonFiniteError(f"the networks give no finite {name}; try --float32")
    return total / parts[:, np.newaxis]
