"""Fine-tuning: what a training takes from the model that it starts with."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ecg.errors import EntryError
from ecg.model.compute import Compute
from ecg.model.description import read_description
from ecg.model.folder import Model, model_digest, read_model
from ecg.recipe import Recipe

# The fields of a recipe that the weights depend on: the network's input and its size.
FIXED = ("rate", "resampling", "trim", "scale", "width", "stem_kernel", "kernel", "reduction")
EPOCHS = 10
SLOWER = 1 / 3  # a part of the learning rate: the weights are good already; docs/experiments.md compares


def fine_tuning(recipe: Recipe) -> Recipe:
    """The recipe that continues a training with ``recipe``: few epochs, a low learning rate, nothing simulated.

    Labels are decided for the hospital of the recordings only.
    """
    return replace(recipe, epochs=EPOCHS, learning_rate=SLOWER * recipe.learning_rate, simulated=0, elsewhere=0.0)


def read_start(folder: Path, recipe: Recipe, compute: Compute) -> Model:
    """The model in ``folder``. Raises EntryError if its networks do not fit ``recipe``."""
    model = read_model(folder, compute)
    changed = [name for name in FIXED if getattr(recipe, name) != getattr(model.recipe, name)]
    if changed:
        raise EntryError(f"{folder}: the recipe must have its {', '.join(changed)}; leave out --recipe, or add them")
    return model


def describe_start(folder: Path) -> str:
    """How model.json records the model in ``folder``: by its folder's name, and the start of its digest."""
    read_description(folder)  # an error that says what is wrong if there is no model
    return f"{folder.resolve().name} ({model_digest(folder)[:16]})"


def starting_weights(model: Model, fold: int, classes: tuple[str, ...], labels: np.ndarray) -> dict[str, torch.Tensor]:
    """The weights that the network of ``fold`` starts with: those of one of the networks of ``model``.

    The head keeps the weights of the classes that both models have. A new class starts with the log-odds of its
    frequency in ``labels``, bool (recordings, classes), for every recording.
    """
    network = model.networks[fold % len(model.networks)]
    state = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
    frequency = (labels.sum(axis=0) + 0.5) / (len(labels) + 1)
    weight = torch.zeros(len(classes), network.head.in_features)
    bias = torch.from_numpy(np.log(frequency / (1 - frequency))).float()
    for column, name in enumerate(classes):
        if name in model.classes:
            known = model.classes.index(name)
            weight[column], bias[column] = state["head.weight"][known], state["head.bias"][known]
    return state | {"head.weight": weight, "head.bias": bias}
