"""Checkpoints: what a training needs to resume, in ``.training/`` of its model folder.

The folder holds the store, the trained networks, and one checkpoint for each network: its weights, the optimiser, the
random numbers, and the weights to keep. The training removes the folder when it ends.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from torch import nn

from ecg.errors import EntryError
from ecg.interruption import uninterrupted
from ecg.model.tensors import load_tensors, save_tensors
from ecg.progress import print_line
from ecg.training.epoch_log import EPOCH_LOG, write_epoch_log


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
