"""Pretrained networks that later trainings on the same machine use again.

A pretrained network has learned from simulated recordings alone, so it holds nothing of a patient, and depends on the
recipe, the classes and the machine only. Its checkpoint is kept under a digest of all of these.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from ecg.files import write_errors, write_whole
from ecg.model.tensors import load_tensors
from ecg.progress import print_line
from ecg.recipe import PUBLISHED
from ecg.training.checkpoint import FORMAT
from ecg.training.epoch_log import EPOCH_LOG, read_epoch_log, write_epoch_log
from ecg.training.setup import FitTask, Training
from ecg.training.store import STORE_FORMAT

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
            history = load_tensors(kept)[1]["history"]
            write_whole(checkpoint, partial(shutil.copyfile, kept))
            write_epoch_log(training.work_dir / EPOCH_LOG, task.name, history)
            print_line(f"{task.title}: pretrained before ({kept})")
    yield
    done = read_epoch_log(training.work_dir / EPOCH_LOG)
    for task in _tasks(training):
        kept = _kept(training, task)
        if len(done.get(task.name, ())) == task.recipe.epochs and not kept.exists():
            with write_errors(kept.parent):
                kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept, partial(shutil.copyfile, _checkpoint(training, task)))


def _tasks(training: Training) -> list[FitTask]:
    if not training.pretrained:
        return []
    return [training.pretraining_task(fold) for fold in range(training.recipe.folds)]


def _checkpoint(training: Training, task: FitTask) -> Path:
    return training.work_dir / f"{task.name}.safetensors"


def _kept(training: Training, task: FitTask) -> Path:
    settings = replace(task.recipe, **{name: getattr(PUBLISHED, name) for name in LATER})
    machine = torch.__version__, torch.backends.cpu.get_cpu_capability(), torch.get_num_threads(), str(training.compute)
    facts = FORMAT, STORE_FORMAT, settings, task.stream, training.weights.classes, training.weights.column, machine
    digest = hashlib.sha256(repr(facts).encode()).hexdigest()
    return Path(training.pretrained or "") / f"{digest[:32]}.safetensors"
