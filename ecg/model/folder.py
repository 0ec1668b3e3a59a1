"""The model folder: ``fold-1.safetensors`` ... hold the weights, ``model.json`` the description.

The folder may come from a stranger: nothing in it is unpickled, and the description is checked.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from ecg.classes import WEIGHTS_FILE, Weights, load_weights
from ecg.errors import EntryError
from ecg.files import write_json
from ecg.model.compute import Compute
from ecg.model.description import DESCRIPTION, Description, read_description
from ecg.model.ensemble import probabilities
from ecg.model.fused import FEW_WINDOWS, FusedNetworks
from ecg.model.network import SEResNet
from ecg.model.tensors import load_tensors, save_tensors, tensor_shapes
from ecg.recipe import Recipe

MODEL_WEIGHTS = "weights.csv"  # the classes and their rewards, for scoring
NETWORK_FILE = re.compile(r"fold-.*\.safetensors")
TEMPORARY = re.compile(
    r"\.(fold-.*\.safetensors|model\.json|(out_of_fold|weights)\.csv)\.\d+"
)  # left by a killed process


@dataclass(frozen=True)
class Model:
    """A loaded ensemble: its description, one network for each fold, and the device and dtype they run in."""

    description: Description
    networks: list[SEResNet]
    compute: Compute

    @property
    def recipe(self) -> Recipe:
        return self.description.recipe

    @property
    def classes(self) -> tuple[str, ...]:
        return self.description.classes

    def probabilities(
        self, networks: Sequence[SEResNet], windows: torch.Tensor, demographics: torch.Tensor
    ) -> torch.Tensor:
        """The quantity ``probabilities`` of ecg/model/ensemble.py, for few windows the fastest way on a CPU.

        The weights of the model's networks must not change after the first call; their heads may.
        """
        if networks is self.networks and len(windows) <= FEW_WINDOWS and windows.device.type == "cpu":
            return self._fused.probabilities(windows, demographics)
        return probabilities(networks, windows, demographics)

    @cached_property
    def _fused(self) -> FusedNetworks:
        return FusedNetworks(self.networks, self.compute)


def build_network(recipe: Recipe, classes: int) -> SEResNet:
    """An untrained network of the recipe's size."""
    return SEResNet(
        classes,
        width=recipe.width,
        stem_kernel=recipe.stem_kernel,
        kernel=recipe.kernel,
        dropout=recipe.dropout,
        reduction=recipe.reduction,
        scale=recipe.scale,
    )


def network_file(folder: Path, fold: int) -> Path:
    return folder / f"fold-{fold + 1}.safetensors"


def save_model(folder: Path, description: Description, networks: Sequence[SEResNet]) -> None:
    """Write an ensemble into ``folder`` in place of an earlier one. model.json is written last."""
    file = folder / DESCRIPTION
    file.unlink(missing_ok=True)
    for old in folder.iterdir():
        if NETWORK_FILE.fullmatch(old.name) or TEMPORARY.fullmatch(old.name):
            old.unlink()
    for fold, network in enumerate(networks):
        save_tensors(network_file(folder, fold), network.state_dict())
    write_json(file, description.as_json())


def weights_file(folder: Path) -> Path:
    """The file of the classes and rewards of the model in ``folder``: its own, or the Challenge's."""
    own = folder / MODEL_WEIGHTS
    return own if own.exists() else WEIGHTS_FILE


def read_weights(folder: Path, classes: Sequence[str]) -> Weights:
    """The weights of the model in ``folder``, which has these ``classes``. Raises EntryError if it has others."""
    weights = load_weights(weights_file(folder))
    if weights.classes != tuple(classes):
        raise EntryError(f"{folder}: its classes are not those of {weights_file(folder)}; write that file for them")
    return weights


def read_model(folder: Path, compute: Compute) -> Model:
    """The ensemble in ``folder``, on the device of ``compute``; EntryError if any part of it is wrong."""
    description = read_description(folder)
    networks = []
    for fold in range(len(description.thresholds)):
        network = _load_network(network_file(folder, fold), description.recipe, len(description.classes))
        networks.append(network.to(compute.device))
    return Model(description, networks, compute)


def model_digest(folder: Path) -> str:
    """SHA-256 over the description and the weights: two different models have different digests."""
    weights = sorted(path for path in folder.iterdir() if NETWORK_FILE.fullmatch(path.name))
    together = hashlib.sha256()
    for path in (folder / DESCRIPTION, *weights):
        with open(path, "rb") as file:
            together.update(hashlib.file_digest(file, "sha256").digest())
    return together.hexdigest()


def _load_network(path: Path, recipe: Recipe, classes: int) -> SEResNet:
    with torch.device("meta"):  # the recipe's shapes, before any memory is allocated for them
        network = build_network(recipe, classes)
    expected = {name: (list(tensor.shape), tensor.is_floating_point()) for name, tensor in network.state_dict().items()}
    if tensor_shapes(path) != expected:
        raise EntryError(f"{path}: its weights do not fit the recipe in {DESCRIPTION}; train again")
    tensors, _ = load_tensors(path)
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise EntryError(f"{path}: holds weights that are not finite; train again")
    network.load_state_dict(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()},
        assign=True,
    )
    return network.eval()
