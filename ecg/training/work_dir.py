"""The work folder of a training, ``.training/`` of its model folder: whose it is, and whether the training runs now.

This file is free of torch.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ecg.errors import EntryError
from ecg.files import write_errors, write_json
from ecg.recipe import Recipe

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
