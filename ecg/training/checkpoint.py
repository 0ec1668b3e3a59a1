"""Checkpoints: what a training needs to resume, in ``.training/`` of its model folder.

The folder holds the store, the trained networks, and one checkpoint for each network: its weights, the optimiser, the
random numbers, and the weights to keep. The training removes the folder when it ends.
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
from ecg.interruption import uninterrupted
from ecg.model.tensors import load_tensors, save_tensors
from ecg.progress import print_line
from ecg.recipe import Recipe
from ecg.training.epoch_log import EPOCH_LOG, write_epoch_log

FORMAT = 2  # of the work folder; raise it if checkpoints of earlier versions cannot be resumed


def work_dir_of(model: Path) -> Path:
    """The work folder of a training into the model folder ``model``."""
    return model / ".training"


@contextmanager
def training_lock(model: Path) -> Iterator[None]:
    """Keep other trainings out of the model folder ``model``; EntryError if one is running there."""
    work_dir = work_dir_of(model)
    with write_errors(work_dir):
        work_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(work_dir / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise EntryError(f"{model}: another training is running there; give another model folder") from error
    try:
        yield
    finally:
        lock.release()


def is_training(model: Path) -> bool:
    """Whether a training into the model folder ``model`` is running now."""
    file = work_dir_of(model) / "lock"
    if not file.exists():
        return False
    try:
        with FileLock(file, timeout=0):
            return False
    except Timeout:
        return True


def claim_work_dir(
    work_dir: Path, recipe: Recipe, recordings: str, patients: str | None = None, start: str = ""
) -> None:
    """Note in ``work_dir`` which training owns it.

    ``recordings`` is the store's fingerprint, ``patients`` the digest of the patients' table, ``start`` the model that
    the training starts with. Raises EntryError if an unfinished training of another version, or with another one of
    these is there, because its checkpoints would be lost.
    """
    with write_errors(work_dir):
        work_dir.mkdir(parents=True, exist_ok=True)
    file = work_dir / "training.json"
    this = {
        "format": FORMAT,
        "recipe": recipe.as_json(),
        "recordings": recordings,
        "patients": patients,
        "start": start,
    }
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        found = this
    if found != this and any(work_dir.glob("*.safetensors")):
        if not isinstance(found, dict) or found.keys() != this.keys() or found["format"] != FORMAT:
            raise EntryError(
                f"{work_dir}: holds an unfinished training of another version of this entry; "
                "remove this folder to start a new one"
            )
        changes = [
            f"{name} {found['recipe'].get(name)} instead of {value}"
            for name, value in recipe.as_json().items()
            if found["recipe"].get(name) != value
        ]
        if found["recordings"] != recordings:
            changes.append("other recordings, other versions of their files, or other classes")
        if found["patients"] != patients:
            changes.append("another table of patients")
        if found["start"] != start:
            changes.append("another model to start with")
        raise EntryError(
            f"{work_dir}: holds an unfinished training with {', '.join(changes)}; "
            "repeat its command and data to resume it, or remove this folder to start a new one"
        )
    if found != this or not file.exists():  # only the first of several processes writes it
        write_json(file, this)


@dataclass
class TrainingState:
    """The progress of one network: after ``epoch`` whole epochs and ``step`` batches of the next."""

    epoch: int = 0
    step: int = 0
    loss: float = 0.0  # sum over the recordings of those batches
    random: dict[str, torch.Tensor] = field(default_factory=dict)  # Compute.random_state after those batches
    best_metric: float = -math.inf
    kept: dict[str, torch.Tensor] = field(default_factory=dict)  # the weights of the best epoch so far, or of the last
    history: list[dict[str, float]] = field(default_factory=list)

    def end_epoch(self, network: nn.Module, figures: dict[str, float], keep: str) -> None:
        """Count an epoch. ``figures``: loss, learning rate, and the Challenge metric if there is a validation part."""
        self.epoch, self.step, self.loss = self.epoch + 1, 0, 0.0
        self.history.append({"epoch": self.epoch, **figures})
        metric = figures.get("challenge_metric", -math.inf)
        if keep == "last" or metric > self.best_metric:
            self.kept = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
        self.best_metric = max(metric, self.best_metric)

    def __str__(self) -> str:
        return f"epoch {self.epoch}" + (f" and {self.step} batches" if self.step else "")


class Checkpoint:
    """The checkpoint file of one network, and the state that it holds.

    It is a safetensors file. Its tensors are the network's weights, the weights to keep, and the states of the
    optimiser and of the random numbers; its metadata are the other fields of TrainingState and the gradient scaler's
    state. If the file exists, the network, the optimiser and the scaler are set to it, and ``state`` continues from
    there.
    """

    def __init__(
        self,
        work_dir: Path,
        name: str,
        title: str,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
    ):
        self.work_dir, self.name, self.title = work_dir, name, title
        self.network, self.optimiser, self.scaler = network, optimiser, scaler
        self.file = work_dir / f"{name}.safetensors"
        self.state = self._load() if self.file.exists() else TrainingState()
        write_epoch_log(work_dir / EPOCH_LOG, name, self.state.history)

    def end_epoch(self, figures: dict[str, float], keep: str) -> None:
        """Count an epoch, save it and log its figures, all or nothing."""
        with uninterrupted():
            self.state.end_epoch(self.network, figures, keep)
            self.save()
            write_epoch_log(self.work_dir / EPOCH_LOG, self.name, self.state.history)

    @contextmanager
    def saved_on_interruption(self, epochs: int) -> Iterator[None]:
        """Save the state if Ctrl-C or SIGTERM ends a training of ``epochs``; say so, and say where it resumes."""
        if (self.state.epoch or self.state.step) and self.state.epoch < epochs:
            print_line(f"{self.title}: resuming after {self.state}")
        try:
            yield
        except KeyboardInterrupt as interruption:
            with uninterrupted():
                self.save()
            where = f"{self.title}, after {self.state}"
            interruption.args = (f"interrupted in {where}; all is kept in {self.work_dir}: the same command resumes",)
            raise

    def save(self) -> None:
        facts = {item.name: getattr(self.state, item.name) for item in fields(TrainingState)}
        groups = {"network": self.network.state_dict(), "kept": facts.pop("kept"), "random": facts.pop("random")}
        for number, state in self.optimiser.state_dict()["state"].items():
            groups[f"optimiser.{number}"] = state
        tensors = {f"{group}.{name}": tensor for group, part in groups.items() for name, tensor in part.items()}
        save_tensors(self.file, tensors, facts | {"scaler": self.scaler.state_dict()})

    def _load(self) -> TrainingState:
        tensors, facts = load_tensors(self.file)
        groups: dict[str, dict[str, torch.Tensor]] = {"network": {}, "kept": {}, "random": {}, "optimiser": {}}
        state: dict[int, dict[str, torch.Tensor]] = {}
        try:
            for name, tensor in tensors.items():
                group, rest = name.split(".", 1)
                groups[group][rest] = tensor
            for name, tensor in groups["optimiser"].items():
                number, key = name.split(".")
                state.setdefault(int(number), {})[key] = tensor
            self.network.load_state_dict(groups["network"])
            param_groups = self.optimiser.state_dict()["param_groups"]
            self.optimiser.load_state_dict({"state": state, "param_groups": param_groups})
            scaler_state = facts.pop("scaler")
            if scaler_state:  # empty if the dtype needs no scaler
                self.scaler.load_state_dict(scaler_state)
            return TrainingState(**facts, kept=groups["kept"], random=groups["random"])
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise EntryError(f"{self.file}: is not a checkpoint of this training; remove it to restart") from error
