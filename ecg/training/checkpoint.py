"""What a training needs to go on after an interruption, in ``.training/`` of its model folder.

The store of the recordings, what is trained on them, and for each fold where it stands: the network, the optimiser, the
random numbers and the epoch to be kept. All of it is removed with the training's end.
"""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from torch import nn

from ecg.errors import EntryError
from ecg.files import write_errors, write_json
from ecg.model.folder import load_tensors, save_tensors
from ecg.recipe import Recipe


def work_dir(model: Path) -> Path:
    """Where a training into the folder ``model`` keeps what it needs to go on after an interruption."""
    return model / ".training"


@contextmanager
def training_lock(model: Path) -> Iterator[None]:
    """While this lasts no other training goes into the folder ``model``; EntryError where one does already."""
    place = work_dir(model)
    with write_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise EntryError(f"{model}: another training is running there; give another model folder") from error
    try:
        yield
    finally:
        lock.release()


def is_training(model: Path) -> bool:
    """Whether a training into the folder ``model`` is running at this moment."""
    file = work_dir(model) / "lock"
    if not file.exists():
        return False
    try:
        with FileLock(file, timeout=0):
            return False
    except Timeout:
        return True


def claim(place: Path, recipe: Recipe, recordings: str, patients: str | None = None) -> None:
    """Notes in the work_dir ``place`` what is trained there: a recipe on ``recordings``, their store's fingerprint.

    ``patients`` is that of the table that deals them into folds, if there is one.

    EntryError where that is not what an unfinished training there began with: nothing of it is to be lost unasked.
    """
    with write_errors(place):
        place.mkdir(parents=True, exist_ok=True)
    file = place / "training.json"
    this = {"recipe": json.loads(json.dumps(recipe.as_dict())), "recordings": recordings, "patients": patients}
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        found = this
    if found != this and any(place.glob("*.safetensors")):
        changed = [
            f"{name} {found['recipe'].get(name)} instead of {value}"
            for name, value in this["recipe"].items()
            if found["recipe"].get(name) != value
        ]
        if found["recordings"] != recordings:
            changed.append("other recordings, or other versions of their files")
        if found.get("patients") != patients:
            changed.append("another table of patients")
        raise EntryError(
            f"{place}: an unfinished training with {', '.join(changed)}; "
            "give its own command and data to go on with it, or remove this folder to begin anew"
        )
    if found != this or not file.exists():  # of several ranks only the first has to
        write_json(file, this)


@dataclass
class Progress:
    """Where a fold's training stands: after ``epoch`` whole epochs and ``step`` batches of the next."""

    epoch: int = 0
    step: int = 0
    loss: float = 0.0  # of those batches, summed over their recordings
    random: dict[str, torch.Tensor] = field(default_factory=dict)  # Compute.random_state after them
    best_metric: float = -math.inf
    kept: dict[str, torch.Tensor] = field(default_factory=dict)  # the network of the best epoch so far, or of the last
    history: list[dict[str, float]] = field(default_factory=list)

    def end_epoch(self, network: nn.Module, figures: dict[str, float], keep: str) -> None:
        """``figures``: the loss, and the Challenge metric if there is one; ``keep``: as in the recipe."""
        self.epoch, self.step, self.loss = self.epoch + 1, 0, 0.0
        self.history.append({"epoch": self.epoch, **figures})
        metric = figures.get("challenge_metric", -math.inf)
        if keep == "last" or metric > self.best_metric:
            self.kept = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
        self.best_metric = max(metric, self.best_metric)

    def __str__(self) -> str:
        return f"epoch {self.epoch}" + (f" and {self.step} batches" if self.step else "")


def save_training_state(
    path: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    progress: Progress,
) -> None:
    """All that the next batch needs."""
    facts = {item.name: getattr(progress, item.name) for item in fields(Progress)}
    groups = {"network": network.state_dict(), "kept": facts.pop("kept"), "random": facts.pop("random")}
    for number, state in optimiser.state_dict()["state"].items():
        groups[f"optimiser.{number}"] = state
    tensors = {f"{group}.{name}": tensor for group, part in groups.items() for name, tensor in part.items()}
    save_tensors(path, tensors, facts | {"scaler": scaler.state_dict()})


def load_training_state(
    path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, scaler: torch.amp.GradScaler
) -> Progress:
    """Puts the three where the file at ``path`` left them; where it is not there, they stay at their beginning."""
    if not path.exists():
        return Progress()
    tensors, facts = load_tensors(path)
    groups: dict[str, dict[str, torch.Tensor]] = {"network": {}, "kept": {}, "random": {}, "optimiser": {}}
    state: dict[int, dict[str, torch.Tensor]] = {}
    try:
        for name, tensor in tensors.items():
            group, rest = name.split(".", 1)
            groups[group][rest] = tensor
        for name, tensor in groups["optimiser"].items():
            number, key = name.split(".")
            state.setdefault(int(number), {})[key] = tensor
        network.load_state_dict(groups["network"])
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        scaler_state = facts.pop("scaler")
        if scaler_state:  # empty where the numbers needed none
            scaler.load_state_dict(scaler_state)
        return Progress(**facts, kept=groups["kept"], random=groups["random"])
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise EntryError(f"{path}: is no state of this training; remove it to begin its fold anew") from error
