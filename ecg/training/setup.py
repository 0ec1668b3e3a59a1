"""The set-up of a training run: what all its networks share, and the split that each network is fitted to."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ecg.classes import Weights, load_weights
from ecg.data.listing import find_headers
from ecg.data.packed import PackedRecordings
from ecg.errors import EntryError
from ecg.files import file_digest
from ecg.model.compute import Compute
from ecg.model.trained_on import TrainedOn
from ecg.progress import print_line
from ecg.recipe import Recipe
from ecg.training.checkpoint import claim_work_dir, work_dir_of
from ecg.training.folds import assign_folds, read_patients
from ecg.training.store import Store, open_store, recordings_fingerprint

PRETRAINING = 1_000_000  # the first random stream of pretraining; the folds have the streams 0, 1 ...


@dataclass(frozen=True)
class FitTask:
    """The split that one network is fitted to. Recordings are indices into the training's arrays."""

    name: str  # of its checkpoint
    title: str  # of its lines in the log
    stream: int  # of the random numbers
    recipe: Recipe
    train: np.ndarray
    replay: np.ndarray  # simulated recordings; each epoch adds a random part of them
    validation: np.ndarray

    def recordings_of_epoch(self, random: np.random.Generator) -> np.ndarray:
        """The training part and a random part of the replayed recordings."""
        wanted = max(round(self.recipe.replay * len(self.train)), round(self.recipe.min_replay * len(self.replay)))
        replayed = random.choice(self.replay, min(wanted, len(self.replay)), replace=False)
        return np.append(self.train, replayed)


@dataclass(frozen=True)
class Training:
    """What all networks of a training run share. The arrays have one row for each recording of ``store``."""

    recipe: Recipe
    compute: Compute
    weights: Weights
    store: Store
    recordings: PackedRecordings  # on the GPU if they fit
    labels: np.ndarray  # bool (recordings, classes)
    fold_of: np.ndarray  # (recordings,); -1 for a recording in no fold, such as a simulated one
    work_dir: Path  # for everything that a resumed training needs

    @property
    def real(self) -> np.ndarray:
        return np.flatnonzero(~self.store.simulated)

    @property
    def simulated(self) -> np.ndarray:
        return np.flatnonzero(self.store.simulated)

    @property
    def names(self) -> list[str]:
        """The names of the real recordings."""
        return [name for name, simulated in zip(self.store.names(), self.store.simulated) if not simulated]

    @property
    def trained_on(self) -> TrainedOn:
        """The digests of the real recordings; their files make the key."""
        return TrainedOn.of((digest.tobytes() for digest in self.store.digests[self.real]), self.store.fingerprint)

    def held_out(self, fold: int) -> np.ndarray:
        """The recordings of ``fold``, which its network does not train on."""
        return np.flatnonzero(self.fold_of == fold)

    def fold_task(self, fold: int) -> FitTask:
        """Train on the other folds, replay simulated recordings, validate on ``fold``."""
        title = f"fold {fold + 1}/{self.recipe.folds}"
        train = np.flatnonzero((self.fold_of != fold) & (self.fold_of >= 0))
        return FitTask(f"fold-{fold + 1}", title, fold, self.recipe, train, self.simulated, self.held_out(fold))

    def pretraining_task(self, fold: int) -> FitTask:
        """Train on the simulated recordings alone."""
        recipe, empty = self.recipe, np.zeros(0, int)
        title = f"fold {fold + 1}/{recipe.folds}, simulated recordings"
        recipe = replace(recipe, epochs=recipe.simulated_epochs, keep="last")
        return FitTask(f"simulated-{fold + 1}", title, PRETRAINING + fold, recipe, self.simulated, empty, empty)


def prepare(
    data: Path, model: Path, recipe: Recipe, compute: Compute, patients: str | os.PathLike | None = None
) -> Training:
    """Read the recordings of ``data`` into a store in the model folder and assign them to folds.

    ``patients`` is the csv of training_code. Raises EntryError if ``data`` has no labelled recording or lies in the
    training's own work folder, or if an unfinished training with another recipe or other recordings is there.
    """
    work_dir, weights = work_dir_of(model), load_weights()
    if work_dir.resolve() in (data.resolve(), *data.resolve().parents):
        raise EntryError(f"{data}: is the work folder of the training; give another model folder")
    headers = list_recordings(data)
    claim_work_dir(
        work_dir, recipe, recordings_fingerprint(headers, weights, recipe), file_digest(patients) if patients else None
    )
    store, recordings = read_recordings(headers, work_dir / "store", weights, recipe, compute, recipe.simulated)
    real, fold_of = ~store.simulated, np.full(len(store), -1)
    patient_of = None
    if patients:
        patient_of = read_patients([name for name, is_real in zip(store.names(), real) if is_real], patients)
    fold_of[real] = assign_folds(store.labels[real], store.sources[real], recipe.folds, recipe.seed, patient_of)
    print_line(f"recipe {recipe.name}: {recipe.folds} folds x {recipe.epochs} epochs on {compute}")
    return Training(recipe, compute, weights, store, recordings, store.labels, fold_of, work_dir)


def list_recordings(data: Path) -> list[Path]:
    """The headers in ``data``. Files that cannot be used are named on the screen."""
    return find_headers(data, refuse=lambda error: print_line(f"skipped: {error}"))


def read_recordings(
    headers: Sequence[Path], folder: Path, weights: Weights, recipe: Recipe, compute: Compute, simulated: int = 0
) -> tuple[Store, PackedRecordings]:
    """The store of the labelled recordings and ``simulated`` ones in ``folder``, and its recordings.

    The recordings are on the GPU if they fit.
    """
    store = open_store(headers, folder, weights, recipe, simulated)
    recordings = PackedRecordings.over(store.signals, store.lengths, store.demographics)
    if compute.fits(recordings.counts.nbytes):
        recordings = recordings.to(compute.device)
    return store, recordings
