"""The model folder: ``fold-1.safetensors`` ... hold the weights, ``model.json`` says everything else.

It may come from a stranger: nothing in it is unpickled, and nothing it claims is believed before it has been measured.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from safetensors.torch import save

from ecg.classes import Weights
from ecg.errors import EntryError
from ecg.files import read_bytes, write_json, write_whole
from ecg.model.description import FORMAT, read_description
from ecg.model.network import SEResNet
from ecg.recipe import Recipe

LARGEST_DESCRIPTION = 50 << 20  # bytes of model.json
WEIGHTS = re.compile(r"fold-.*\.safetensors")
LEFT_OVER = re.compile(r"\.(fold-.*\.safetensors|model\.json|out_of_fold\.csv)\.\d+")  # half written as all was killed


@dataclass(frozen=True)
class Member:
    """One fold's contribution to the ensemble: its network and its thresholds, one a class."""

    network: SEResNet
    thresholds: list[float]


def build_network(recipe: Recipe, classes: int) -> SEResNet:
    numbers = ("width", "stem_kernel", "kernel", "dropout", "reduction", "scale")
    return SEResNet(classes, **{number: getattr(recipe, number) for number in numbers})


def weights_file(folder: Path, fold: int) -> Path:
    return folder / f"fold-{fold + 1}.safetensors"


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], facts: dict[str, Any] | None = None) -> None:
    """``tensors`` and ``facts`` (anything JSON can say) in one safetensors file, whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"facts": json.dumps(facts or {})}
    write_whole(path, lambda temporary: temporary.write_bytes(save(tensors, metadata)))


def load_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors and the facts of a file of save_tensors; EntryError where it is missing or damaged."""
    with _opened(path) as file:
        facts = json.loads((file.metadata() or {}).get("facts", "{}"))
        return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118


def _forms(path: Path) -> dict[str, tuple[list[int], bool]]:
    """Each tensor's shape, and whether it holds floating-point numbers, without reading it."""
    with _opened(path) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {name: (part.get_shape(), part.get_dtype() in ("F32", "F16", "BF16")) for name, part in slices.items()}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not os.path.isfile(path):
        raise EntryError(f"{path}: is missing, or no file; train again or fetch it again")
    try:
        with safetensors.safe_open(path, "pt") as file:
            yield file
    except (OSError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise EntryError(f"{path}: cannot be read as weights ({error}); train again or fetch it again") from error


def save_model(
    folder: Path, recipe: Recipe, weights: Weights, networks: Sequence[SEResNet], folds: list[dict], figures: dict
) -> None:
    """Puts an ensemble into ``folder``, in the place of one that may be there; its last file is model.json.

    ``folds``: of each fold its ``thresholds`` and what else is worth knowing; ``figures``: the cross-validation's.
    """
    description = folder / "model.json"
    description.unlink(missing_ok=True)
    for file in folder.iterdir():
        if WEIGHTS.fullmatch(file.name) or LEFT_OVER.fullmatch(file.name):
            file.unlink()
    for fold, network in enumerate(networks):
        save_tensors(weights_file(folder, fold), network.state_dict())
    content = {
        "format": FORMAT,
        "recipe": recipe.as_dict(),
        "classes": list(weights.classes),
        "rewards": weights.matrix.tolist(),
        "folds": folds,
        "cross_validation": figures,
    }
    write_json(description, content)


def load_model(folder: Path) -> tuple[Recipe, tuple[str, ...], np.ndarray, list[Member]]:
    """The recipe, the classes, the rewards (classes, classes) of the Challenge metric and the members of the ensemble.

    EntryError where one of them is not right.
    """
    path = folder / "model.json"
    if not path.exists():
        raise EntryError(f"{folder}: holds no trained model (no model.json); run train_model.py first")
    told = read_description(path, lambda: json.loads(read_bytes(path, LARGEST_DESCRIPTION).decode("utf-8")))
    members = [
        Member(_load_network(weights_file(folder, fold), told.recipe, len(told.classes)), row.tolist())
        for fold, row in enumerate(told.thresholds)
    ]
    return told.recipe, told.classes, told.rewards, members


def fingerprint(folder: Path) -> str:
    """Of a trained model's files: another model has another one."""
    weights = sorted(path for path in folder.iterdir() if WEIGHTS.fullmatch(path.name))
    together = hashlib.sha256()
    for path in (folder / "model.json", *weights):
        with open(path, "rb") as file:
            together.update(hashlib.file_digest(file, "sha256").digest())
    return together.hexdigest()


def _load_network(path: Path, recipe: Recipe, classes: int) -> SEResNet:
    with torch.device("meta"):  # as large as the recipe says, but of no memory yet
        network = build_network(recipe, classes)
    expected = {name: (list(tensor.shape), tensor.is_floating_point()) for name, tensor in network.state_dict().items()}
    if _forms(path) != expected:
        raise EntryError(f"{path}: its weights do not fit the recipe in model.json; train again")
    tensors, _ = load_tensors(path)
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise EntryError(f"{path}: holds weights that are not numbers; train again")
    network.load_state_dict(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()},
        assign=True,
    )
    return network.eval()
