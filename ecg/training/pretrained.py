"""Pretrained networks that later trainings on the same machine use again.

A pretrained network has learned from simulated recordings alone, so it holds nothing of a patient. It depends on the
recipe, the classes, the version of this entry and the machine. Its checkpoint is kept under a digest of all of these.
Only trainings on CPUs use the folder: there pretraining takes minutes, and no two processes share a network.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ecg.errors import EntryError
from ecg.files import write_whole
from ecg.model.tensors import load_tensors
from ecg.progress import print_line
from ecg.recipe import PUBLISHED
from ecg.training.epoch_log import EPOCH_LOG, read_epoch_log, write_epoch_log
from ecg.training.setup import FitTask, Training
from ecg.training.store import STORE_FORMAT
from ecg.training.work_dir import FORMAT
from ecg.version import VERSION

# Fields of a recipe that pretraining does not depend on
LATER = (
    *("name", "folds", "simulated_epochs", "replay", "min_replay", "epoch_threshold", "threshold_search", "calibrate"),
    *("decide", "challenge_labels", "temperature", "elsewhere", "clinical_target", "clinical_level"),
)


@contextmanager
def shared_pretraining(training: Training) -> Iterator[None]:
    """Take the kept networks that fit ``training`` before a pretraining, and keep its network afterwards.

    All networks are taken at once, so that the time left is right.
    """
    for task in _tasks(training):
        kept, checkpoint = _kept(training, task), _checkpoint(training, task)
        if kept.exists() and not checkpoint.exists():
            history = load_tensors(kept)[1].get("history")
            if not isinstance(history, list):
                raise EntryError(f"{kept}: is not a pretrained network; remove it")
            write_whole(checkpoint, partial(shutil.copyfile, kept))
            write_epoch_log(training.work_dir / EPOCH_LOG, task.name, history)
            print_line(f"{task.title}: pretrained before ({kept})")
    yield
    done = read_epoch_log(training.work_dir / EPOCH_LOG)
    for task in _tasks(training):
        kept = _kept(training, task)
        if len(done.get(task.name, ())) == task.recipe.epochs and not kept.exists():
            write_whole(kept, partial(shutil.copyfile, _checkpoint(training, task)))


def _tasks(training: Training) -> list[FitTask]:
    if not training.pretrained or training.compute.device.type != "cpu":
        return []
    return [training.pretraining_task(fold) for fold in range(training.recipe.folds)]


def _checkpoint(training: Training, task: FitTask) -> Path:
    return training.work_dir / f"{task.name}.safetensors"


def _kept(training: Training, task: FitTask) -> Path:
    settings = replace(task.recipe, **{name: getattr(PUBLISHED, name) for name in LATER})
    versions = VERSION, FORMAT, STORE_FORMAT, torch.__version__, np.__version__
    machine = torch.backends.cpu.get_cpu_capability(), torch.get_num_threads(), str(training.compute)
    facts = versions, machine, settings, task.stream, training.weights.classes, training.weights.column
    digest = hashlib.sha256(repr(facts).encode()).hexdigest()
    return Path(training.pretrained or "") / f"{digest[:32]}.safetensors"
