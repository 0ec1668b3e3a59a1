"""The folds of a cross-validation: multilabel iterative stratification, each source by itself (published code)."""

import os
from collections.abc import Iterable, Sequence

import numpy as np

from ecg.errors import EntryError
from ecg.files import read_csv


def patients_of(names: Iterable[str], table: str | os.PathLike) -> list[str]:
    """The patient of each of the recordings ``names``, by the csv ``table``: a line a recording, its name and patient.

    One that the table does not name is a patient of its own. EntryError where it names none of them.
    """
    known = dict(row[:2] for row in read_csv(table) if len(row) > 1)
    names = list(names)
    if not known.keys() & set(names):
        raise EntryError(f"{table}: names none of the recordings; it needs a line for each, with its name and patient")
    return [known.get(name) or name for name in names]


def assign_folds(
    labels: np.ndarray, sources: Sequence[str], folds: int, seed: int, patients: Sequence[str] | None = None
) -> np.ndarray:
    """The fold (recordings,) of each recording; ``labels`` is boolean (recordings, classes).

    Every fold gets its share of every source, and within it of every class as far as the counts allow. A source with
    fewer recordings than folds is dealt out one by one, each to the smallest fold. With ``patients`` (recordings,) all
    of a patient's recordings are in one fold. EntryError where there are fewer recordings, or patients, than folds.
    """
    if patients is not None:
        _, first, patient = np.unique(np.asarray(patients), return_index=True, return_inverse=True)
        every = np.zeros((len(first), labels.shape[1]), bool)
        np.logical_or.at(every, patient, labels)
        if len(first) < folds:
            raise EntryError(f"the recordings of {len(first)} patients are too few for {folds} folds; give fewer folds")
        return assign_folds(every, np.asarray(sources)[first], folds, seed)[patient]
    if len(labels) < folds:
        raise EntryError(
            f"{len(labels)} recordings with a scored label are too few for {folds} folds; give fewer folds"
        )
    # here, because it loads scikit-learn: half of the time that the driver, which has no folds, takes to start
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    fold = np.full(len(labels), -1)
    sources = np.asarray(sources)
    for source in sorted(set(sources.tolist()), key=lambda source: (-(sources == source).sum(), source)):
        members = np.flatnonzero(sources == source)
        if len(members) < folds:
            for member in members:
                fold[member] = np.bincount(fold[fold >= 0], minlength=folds).argmin()
            continue
        splitter = MultilabelStratifiedKFold(n_splits=folds, shuffle=True, random_state=seed)
        for number, (_, part) in enumerate(splitter.split(members, labels[members].astype(int))):
            fold[members[part]] = number
    return fold
