"""The folds of a cross-validation: multilabel iterative stratification, each source by itself (published code)."""

import os
import re
from collections.abc import Sequence

import numpy as np

from ecg.errors import EntryError
from ecg.files import read_csv
from ecg.progress import print_line

FILE = re.compile(r"^.*[/\\]|\.(hea|mat|dat)$", re.IGNORECASE)  # what is not the name in "data/A0001.hea"


def read_patients(names: Sequence[str], table: str | os.PathLike) -> list[str]:
    """The patient of each recording in ``names``, from the csv ``table`` with a line ``recording,patient`` for each.

    Semicolons, tabs or commas separate the two. A recording may be named by its header or signal file. One that the
    table does not name counts as a patient of its own; their number is printed. Raises EntryError if it names none.
    """
    rows = [[cell.strip() for cell in row] for row in read_csv(table, separators=";\t,") if len(row) > 1]
    patients: dict[str, str] = {}
    for row in rows:
        name, patient = FILE.sub("", row[0]), re.sub(r"\.0$", "", row[1])
        if patients.setdefault(name, patient) != patient:
            raise EntryError(f"{table}: {name} has two patients, {patients[name]} and {patient}; correct it")
    missing = [name for name in names if not patients.get(name)]
    if len(missing) == len(names):
        raise EntryError(f"{table}: names none of the recordings; it needs a line for each, with its name and patient")
    if missing:
        others = "each counts as a patient of its own"
        print_line(f"{len(missing):,} of {len(names):,} recordings are not in {table}; {others}: {missing[0]} ...")
    return [patients.get(name) or name for name in names]


def assign_folds(
    labels: np.ndarray,
    sources: Sequence[str] | np.ndarray,
    folds: int,
    seed: int,
    patients: Sequence[str] | np.ndarray | None = None,
) -> np.ndarray:
    """Assign each recording to a fold.

    Every fold gets its share of every source, and within it of every class as far as the counts allow. The recordings
    of a source with fewer recordings than folds go one by one to the smallest fold.

    Parameters
    ----------
    labels : bool array (recordings, classes)
    sources : str (recordings,)
    folds : int
        The number of folds.
    seed : int
        The seed of the random draws.
    patients : str (recordings,), optional
        The patient of each recording; all recordings of a patient get the same fold.

    Returns
    -------
    int array (recordings,)
        Folds from 0 on.

    Raises
    ------
    EntryError
        If there are fewer recordings, or patients, than folds.
    """
    if patients is not None:
        _, first, patient = np.unique(np.asarray(patients), return_index=True, return_inverse=True)
        of_patient = np.zeros((len(first), labels.shape[1]), bool)
        np.logical_or.at(of_patient, patient, labels)
        if len(first) < folds:
            raise EntryError(
                f"the recordings of {len(first)} patients are too few for {folds} folds; give fewer --folds"
            )
        return assign_folds(of_patient, np.asarray(sources)[first], folds, seed)[patient]
    if len(labels) < folds:
        raise EntryError(
            f"{len(labels)} recordings with a scored label are too few for {folds} folds; give fewer --folds"
        )
    # Imported here because it loads scikit-learn, half of the start-up time of the driver, which has no folds.
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    if labels.shape[1] == 1:  # the splitter takes one column for something else than classes
        labels = np.hstack([labels, ~labels])
    fold_of = np.full(len(labels), -1)
    source_of = np.asarray(sources)
    by_size = sorted(set(source_of.tolist()), key=lambda source: (-(source_of == source).sum(), source))
    for source in by_size:
        members = np.flatnonzero(source_of == source)
        if len(members) < folds:
            for member in members:
                fold_of[member] = np.bincount(fold_of[fold_of >= 0], minlength=folds).argmin()
            continue
        splitter = MultilabelStratifiedKFold(n_splits=folds, shuffle=True, random_state=seed)
        for fold, (_, held_out) in enumerate(splitter.split(members, labels[members].astype(int))):
            fold_of[members[held_out]] = fold
    return fold_of
