"""The set-up of a training run: what all its networks share, and the split that each network is fitted to."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecg.classes import WEIGHTS_FILE, Weights, abbreviation, load_weights, own_classes
from ecg.data.header import read_header
from ecg.data.listing import find_recordings
from ecg.data.packed import PackedRecordings
from ecg.decision.hospitals import Hospitals
from ecg.errors import EntryError, RecordError
from ecg.files import file_digest, write_errors
from ecg.model.compute import Compute
from ecg.model.description import Description, History
from ecg.model.folder import Model, weights_file
from ecg.model.trained_on import TrainedOn
from ecg.progress import print_line
from ecg.recipe import Recipe
from ecg.simulation.cases import simulated_classes
from ecg.training.folds import assign_folds, read_patients
from ecg.training.hospitals import likely_hospitals
from ecg.training.starting import describe_start, read_start
from ecg.training.store import Store, open_store, recordings_fingerprint
from ecg.training.time_left import PlannedFit, TimeLeft, forget_time_left
from ecg.training.work_dir import claim_work_dir, work_dir_of

FEW = 100  # recordings that show which labels the headers have
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

    @property
    def replayed(self) -> int:
        """The number of simulated recordings that each epoch adds."""
        wanted = max(round(self.recipe.replay * len(self.train)), round(self.recipe.min_replay * len(self.replay)))
        return min(wanted, len(self.replay))

    def recordings_of_epoch(self, random: np.random.Generator) -> np.ndarray:
        """The training part and a random part of the replayed recordings."""
        return np.append(self.train, random.choice(self.replay, self.replayed, replace=False))


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
    simulated_classes: np.ndarray  # bool (classes,): simulated recordings say nothing about the others
    work_dir: Path  # for everything that a resumed training needs
    time_left: TimeLeft = field(default_factory=TimeLeft)
    start: Model | None = None  # the model that the training starts with
    started_from: str = ""  # how model.json records it
    pretrained: Path | None = None  # a folder of pretrained networks that trainings share

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
        """The digests of the real recordings and of those of the model to start with; their files make the key."""
        before = self.start.description.trained_on if self.start else TrainedOn()
        return before.and_of((digest.tobytes() for digest in self.store.digests[self.real]), self.store.fingerprint)

    @property
    def hospitals(self) -> Hospitals | None:
        """The hospitals that a recording may come from."""
        return likely_hospitals(self.recipe, self.weights, self.labels[self.real])

    def describe(
        self,
        thresholds: np.ndarray,
        clinical: np.ndarray,
        histories: Sequence[History],
        figures: dict[str, Any],
        mean_probabilities: np.ndarray,
    ) -> Description:
        """The description of the ensemble: ``thresholds`` are its networks', ``figures`` its cross-validation."""
        return Description(
            self.recipe,
            self.weights.classes,
            self.weights.matrix,
            thresholds,
            clinical,
            self.trained_on,
            histories,
            figures,
            started_from=self.started_from,
            hospitals=self.hospitals,
            mean_probabilities=mean_probabilities,
        )

    def known_labels(self, chosen: np.ndarray) -> np.ndarray | None:
        """bool (chosen, classes): whether a label of the ``chosen`` recordings is known; None if all are."""
        if self.simulated_classes.all():
            return None
        return self.simulated_classes | ~self.store.simulated[chosen, np.newaxis]

    def held_out(self, fold: int) -> np.ndarray:
        """The recordings of ``fold``, which its network does not train on."""
        return np.flatnonzero(self.fold_of == fold)

    def fold_task(self, fold: int) -> FitTask:
        """Train on the other folds, replay simulated recordings, validate on ``fold``."""
        title = f"network {fold + 1} of {self.recipe.folds}"
        train = np.flatnonzero((self.fold_of != fold) & (self.fold_of >= 0))
        return FitTask(f"fold-{fold + 1}", title, fold, self.recipe, train, self.simulated, self.held_out(fold))

    def pretraining_task(self, fold: int) -> FitTask:
        """Train on the simulated recordings alone."""
        recipe, empty = self.recipe, np.zeros(0, int)
        title = f"network {fold + 1} of {recipe.folds}, simulated recordings"
        recipe = replace(recipe, epochs=recipe.simulated_epochs, keep="last")
        return FitTask(f"simulated-{fold + 1}", title, PRETRAINING + fold, recipe, self.simulated, empty, empty)

    def plan(self) -> list[PlannedFit]:
        """The epochs of all networks."""
        plan = []
        for fold in range(self.recipe.folds):
            tasks = [self.fold_task(fold)] if self.start else [self.pretraining_task(fold), self.fold_task(fold)]
            for task in tasks:
                simulated, recordings = task.stream >= PRETRAINING, len(task.train) + task.replayed
                if recordings:
                    plan.append(PlannedFit(task.name, fold, simulated, task.recipe.epochs, recordings))
        return plan

    def summary(self) -> str:
        """The epochs of a network and their recordings, in words."""
        recipe, task = self.recipe, self.fold_task(0)
        text = f"{count_epochs(recipe.epochs)} on about {len(task.train):,} recordings"
        if self.start:
            text = f"starting with {self.started_from}, {text}"
        elif recipe.simulated:
            pretraining = count_epochs(recipe.simulated_epochs)
            text = f"{pretraining} on {recipe.simulated:,} simulated recordings, then {text}"
        if task.replayed:
            text += f" and {task.replayed:,} simulated ones"
        return f"{text}, for each of {recipe.folds} networks"


def count_epochs(number: int) -> str:
    return f"{number} epoch{'s' if number > 1 else ''}"


def prepare(
    data: Path,
    model: Path,
    recipe: Recipe,
    compute: Compute,
    patients: str | os.PathLike | None = None,
    classes: str | os.PathLike | None = None,
    start: str | os.PathLike | None = None,
    pretrained: str | os.PathLike | None = None,
) -> Training:
    """Read the recordings of ``data`` into a store in the model folder and assign them to folds.

    The other arguments are those of training_code. Raises EntryError if ``data`` has
    no labelled recording or lies in the training's own work folder, or if an unfinished training with another recipe or
    other recordings is there.
    """
    work_dir = work_dir_of(model)
    if work_dir.resolve() in (data.resolve(), *data.resolve().parents):
        raise EntryError(f"{data}: is the work folder of the training; give another model folder")
    headers = list_recordings(data)
    weights = choose_classes(headers, Path(classes) if classes else None, Path(start) if start else None)
    recipe = recipe_for(recipe, weights, 0 if start else len(headers))
    started_from = describe_start(Path(start)) if start else ""
    fingerprint = recordings_fingerprint(headers, weights, recipe)
    claim_work_dir(work_dir, recipe, fingerprint, file_digest(patients) if patients else None, started_from)
    store, recordings = read_recordings(headers, work_dir / "store", weights, recipe, compute, recipe.simulated)
    real, fold_of = ~store.simulated, np.full(len(store), -1)
    name_missing(weights, store.labels[real])
    patient_of = None
    if patients:
        patient_of = read_patients([name for name, is_real in zip(store.names(), real) if is_real], patients)
    fold_of[real] = assign_folds(store.labels[real], store.sources[real], recipe.folds, recipe.seed, patient_of)
    training = Training(
        recipe,
        compute,
        weights,
        store,
        recordings,
        store.labels,
        fold_of,
        simulated_classes(weights),
        work_dir,
        start=read_start(Path(start), recipe, compute) if start else None,
        started_from=started_from,
        pretrained=Path(pretrained) if pretrained else None,
    )
    print_line(f"recipe {recipe.name} on {compute}: {training.summary()}")
    if training.start:
        known = sum(digest.tobytes() in training.start.description.trained_on for digest in store.digests[real])
        if known:
            print_line(
                f"{known:,} of the {real.sum():,} recordings were in the training of {start}: "
                "the figures on held-out folds are too good"
            )
    if training.pretrained:
        with write_errors(training.pretrained):
            training.pretrained.mkdir(parents=True, exist_ok=True)
        if training.start or compute.device.type != "cpu":
            print_line(f"{training.pretrained} is not used: only a training from nothing on a CPU uses it")
    forget_time_left(work_dir)
    return replace(training, time_left=TimeLeft(training.plan()))


def choose_classes(headers: Sequence[Path], classes: Path | None, start: Path | None) -> Weights:
    """The classes of the file ``classes``, else those of the model ``start``, else the Challenge's.

    If none of the first recordings has one of the Challenge's classes, but all have a label of their own, such as
    "Chagas label: True" (2025), that label is the only class. The screen says so.
    """
    weights = load_weights(classes or (weights_file(start) if start else WEIGHTS_FILE))
    if classes or start:
        return weights
    diagnoses = []
    for header in headers[:FEW]:
        with suppress(RecordError):
            diagnoses.append(read_header(header).diagnoses)
    labels = set.intersection(*({name.split(":")[0] for name in names} for names in diagnoses)) if diagnoses else set()
    labels = {name for name in labels if name.endswith(" label")}
    if len(labels) != 1 or any(map(weights.is_labelled, diagnoses)):
        return weights
    (label,) = labels
    name = label.removesuffix(" label").capitalize().replace(" ", "_")
    print_line(f"no recording has one of the Challenge's classes: the only class is {name}, by the headers' {label}")
    return own_classes({name: [f"{label}: true"]})


def recipe_for(recipe: Recipe, weights: Weights, recordings: int) -> Recipe:
    """``recipe`` with the fields changed that do not fit the classes or the number of recordings.

    Each change is printed. The learning curve that doubles the width is in docs/experiments.md.
    """
    if 0 < recipe.wide_from <= recordings:
        print_line(f"{recordings:,} recordings: {2 * recipe.width} channels instead of {recipe.width}")
        recipe = replace(recipe, width=2 * recipe.width)
    recipe = replace(recipe, wide_from=0)
    if weights.normal is None and recipe.decide == "challenge":
        print_line(
            "sinus rhythm is not one of the classes: the Challenge metric is not normalised against it, and labels are "
            "clinical ones (a threshold for each class)"
        )
        recipe = replace(recipe, decide="clinical")
    simulated = simulated_classes(weights)
    if recipe.simulated and not simulated.any():
        print_line("the simulation shows none of the classes: no simulated recordings")
        recipe = replace(recipe, simulated=0)
    elif recipe.simulated and not simulated.all():
        names = ", ".join(abbreviation(code) for code, known in zip(weights.classes, simulated) if not known)
        print_line(f"the simulation does not show {names}: simulated recordings do not count for these classes")
    return recipe


def name_missing(weights: Weights, labels: np.ndarray) -> None:
    """Print the classes that no recording has, by ``labels``, bool (recordings, classes); EntryError if it is all."""
    missing = [abbreviation(code) for code, column in zip(weights.classes, labels.T) if not column.any()]
    if len(missing) == len(weights.classes):
        raise EntryError(f"no recording has {', '.join(missing)}; check what means the classes (docs/classes.md)")
    if missing:
        print_line(f"no recording has {', '.join(missing)}: simulated recordings alone show them, or nothing does")


def list_recordings(data: Path) -> list[Path]:
    """The headers in ``data``. Files that cannot be used are named on the screen."""
    return find_recordings(data, refuse=lambda error: print_line(f"skipped: {error}"))


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
