"""The recordings of a validation: parts that are left out of training in turn, and folders that no model trains on."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg.data.packed import PackedRecordings
from ecg.decision.clinical import clinical_thresholds, decide_clinically
from ecg.decision.hospitals import Hospitals
from ecg.decision.labels import decide_labels
from ecg.errors import EntryError
from ecg.evaluation.bootstrap import Predictions
from ecg.evaluation.comparison import FEWEST, HELD_OUT
from ecg.model.compute import Compute
from ecg.recipe import Recipe
from ecg.training.folds import assign_folds, read_patients
from ecg.training.hospitals import likely_hospitals
from ecg.training.setup import Training, list_recordings, prepare, read_recordings
from ecg.training.store import Store

LEFT_OUT = "recordings not seen in training"

# The predictions of a model for the part that was left out of its training, by name. "test": the part's recordings;
# "p": their probabilities (networks, test, classes); "thresholds" (networks, classes); "unseen NAME": the probabilities
# of an unseen folder. "held_out", "held_out_p" and "held_out_outputs": the recordings of the model's own held-out
# folds, with the probabilities and outputs of the single networks.
PartPredictions = dict[str, np.ndarray]


@dataclass(frozen=True)
class ValidationData:
    """The recordings to train and test on, with their patients if known, and those of the unseen folders by name."""

    training: Training
    patients: np.ndarray | None  # str (recordings,)
    unseen: dict[str, tuple[Store, PackedRecordings]]

    def parts_by_fold(self, number: int) -> dict[str, np.ndarray]:
        """The recordings (indices) of ``number`` stratified parts, by name; a patient is in one part only."""
        real = self.training.real
        sources = self.training.store.sources[real]
        patients = None if self.patients is None else self.patients[real]
        part_of = assign_folds(self.training.labels[real], sources, number, 0, patients)
        return {f"part {part + 1}": real[part_of == part] for part in range(number)}

    def parts_by_source(self) -> dict[str, np.ndarray]:
        """The recordings (indices) of every source with at least FEWEST; EntryError if there is none."""
        real = self.training.real
        sources = self.training.store.sources[real].astype(str)
        names, counts = np.unique(sources, return_counts=True)
        parts = {name or "no letters": real[sources == name] for name in names[counts >= FEWEST]}
        if not parts:
            raise EntryError(f"no source has {FEWEST} recordings; give --by fold")
        return parts

    def folds_without(self, test: np.ndarray, recipe: Recipe) -> np.ndarray:
        """The folds (recordings,) of a training without the recordings ``test``; -1 for a recording in no fold."""
        training, fold_of = self.training, np.full(len(self.training.labels), -1)
        rest = np.setdiff1d(training.real, test)
        patients = None if self.patients is None else self.patients[rest]
        sources = training.store.sources[rest]
        fold_of[rest] = assign_folds(training.labels[rest], sources, recipe.folds, recipe.seed, patients)
        return fold_of

    def decide(self, part: PartPredictions, p: np.ndarray, decision: str) -> tuple[np.ndarray, np.ndarray]:
        """Labels, bool, and scores, both (recordings, classes), of the part's model for ``p``.

        ``p`` is (networks, recordings, classes); ``decision`` is "challenge" or "clinical".
        """
        recipe, weights = self.training.recipe, self.training.weights
        if decision == "challenge":
            return decide_labels(recipe, weights.matrix, p, part["thresholds"], self.hospitals(part["test"]))
        thresholds = clinical_thresholds(recipe, self.training.labels[part["held_out"]], part["held_out_p"])
        return decide_clinically(weights.classes, p, thresholds)[:2]

    def hospitals(self, test: np.ndarray) -> Hospitals | None:
        """The hospitals that a recording may come from, for a model that knows nothing of the recordings ``test``."""
        training, sources = self.training, self.training.store.sources
        rest = np.setdiff1d(training.real, test)
        left_out = set(sources[test]) - set(sources[rest])
        return likely_hospitals(training.recipe, training.weights, training.labels[rest], left_out)

    def gather(self, seeds: Sequence[Sequence[PartPredictions]], decision: str = "challenge") -> dict[str, Predictions]:
        """The predictions of all parts, for each seed, by the kind of recordings.

        The clinical decision has none for the held-out folds, on which its thresholds are chosen.
        """
        labels, sources = self.training.labels, self.training.store.sources
        runs = []
        for parts in seeds:
            order = np.argsort(np.concatenate([part["test"] for part in parts]))
            decided = [self.decide(part, part["p"], decision) for part in parts]
            outputs, scores = (np.concatenate(column)[order] for column in zip(*decided))
            runs.append((outputs, scores))
        every_part = [part for parts in seeds for part in parts]
        test = np.sort(np.concatenate([part["test"] for part in seeds[0]]))
        patients = None if self.patients is None else self.patients[test]
        gathered = {}
        if decision == "challenge":
            held_out, outputs, p = (
                np.concatenate([part[name] for part in every_part])
                for name in ("held_out", "held_out_outputs", "held_out_p")
            )
            gathered[HELD_OUT] = Predictions(labels[held_out], sources[held_out], [(outputs, p)])
        gathered[LEFT_OUT] = Predictions(labels[test], sources[test], runs, patients)
        for name, (store, _) in self.unseen.items():
            runs = [self.decide(part, part[f"unseen {name}"], decision) for part in every_part]
            gathered[f"recordings of {name}"] = Predictions(store.labels, store.sources, runs)
        return gathered


def read_validation_data(
    data: Path,
    unseen: Sequence[Path],
    patients: str | os.PathLike | None,
    classes: str | os.PathLike,
    work_dir: Path,
    recipe: Recipe,
    compute: Compute,
) -> ValidationData:
    """Read the recordings of ``data`` and of the folders ``unseen`` into stores in ``work_dir``."""
    training = prepare(data, work_dir, recipe, compute, classes=classes)
    stores = {}
    for folder in unseen:
        store = work_dir.with_name(f"{work_dir.name} {folder.name}")
        stores[folder.name] = read_recordings(list_recordings(folder), store, training.weights, recipe, compute)
    patient_of = None
    if patients:
        patient_of = np.array(list(training.store.names()), object)
        patient_of[training.real] = read_patients(patient_of[training.real].tolist(), patients)
    return ValidationData(training, patient_of, stores)
