"""An entry's outputs: one csv of four lines a recording - its name, the class codes, the 0/1 labels, the scores."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ecg.classes import Weights
from ecg.data.header import read_diagnoses
from ecg.errors import EntryError, RecordError, printable
from ecg.files import read_text

TRUE = frozenset(("1", "True", "true", "T", "t"))


@dataclass(frozen=True)
class Evaluation:
    """The recordings at ``headers``: of each its labels, the outputs and the scores, all (recordings, classes)."""

    headers: Sequence[str]
    labels: np.ndarray
    outputs: np.ndarray
    scores: np.ndarray
    malformed: tuple[str, ...]  # names of the recordings whose output file is


def format_outputs(name: str, classes: Sequence, labels: Sequence, scores: Sequence) -> str:
    """The text of an output file; scores with six digits, the last that do not depend on a batch's size."""
    rows = ([f"#{printable(name)}"], classes, labels, [f"{score:.6g}" for score in scores])
    return "".join(",".join(map(str, row)) + "\n" for row in rows)


def parse_outputs(text: str) -> tuple[tuple[str, ...], list[bool], list[float]] | None:
    """Class codes, labels and scores of an output file; None where it is malformed.

    As the official scorer reads it: lines that are blank or begin with ``#`` do not count, the others (at least three)
    must have the same number of cells; a label is true where it is one of TRUE, a score that is no number is 0.
    """
    lines = [line for line in map(str.strip, text.splitlines()) if line and line[0] != "#"]
    if len(lines) < 3 or len({line.count(",") for line in lines}) > 1:
        return None
    labels, scores = _cells(lines[1]), _cells(lines[2])
    return _codes(lines[0]), [label in TRUE for label in labels], _scores(scores)


def _cells(line: str) -> list[str]:
    cells = line.split(",")
    return [cell.strip() for cell in cells] if len(line.split(maxsplit=1)) > 1 else cells


@lru_cache(maxsize=64)
def _codes(line: str) -> tuple[str, ...]:
    """Kept, as a folder's files have the same codes."""
    return tuple(_cells(line))


def _scores(cells: list[str]) -> list[float]:
    try:
        return list(map(float, cells))
    except ValueError:  # one of them is no number
        return [_score(cell) for cell in cells]


def _score(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return 0.0


def load_labels_and_outputs(
    headers: Sequence[str], folder: str | os.PathLike, weights: Weights
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Of the recordings at ``headers`` the true labels, the outputs' labels and scores; and the malformed files' names.

    The arrays are (recordings, classes). Codes that are one class: the output is any of theirs, the score the mean of
    theirs that are numbers. A class that an output file in ``folder`` does not name is negative with the score 0, and
    so is every class of a malformed file, as in the official scorer. EntryError where a recording has no output file.
    """
    truth = np.array([weights.encode(read_diagnoses(path)) for path in headers])
    malformed = []
    files: dict[tuple[str, ...], tuple[list, list, list]] = {}  # together those with the same codes in the same order
    for row, header in enumerate(headers):
        name = os.path.splitext(os.path.basename(header))[0]
        try:
            cells = parse_outputs(read_text(os.path.join(folder, f"{name}.csv")))
        except RecordError as error:
            raise EntryError(f"{error}: no output for {name}; run the driver on all recordings first") from error
        if cells is None:
            malformed.append(name)
            continue
        codes, label, score = cells
        rows, labels, scores = files.setdefault(codes, ([], [], []))
        rows.append(row)
        labels += label
        scores += score

    outputs = np.zeros(truth.shape, bool)
    sums, counts = np.zeros(truth.shape), np.zeros(truth.shape)
    for codes, (rows, *values) in files.items():
        labels, scores = (np.array(column).reshape(len(rows), len(codes)) for column in values)
        known = ~np.isnan(scores)
        for cell, code in enumerate(codes):
            column = weights.column.get(code)
            if column is not None:
                outputs[rows, column] |= labels[:, cell]
                sums[rows, column] += np.where(known[:, cell], scores[:, cell], 0)
                counts[rows, column] += known[:, cell]
    return truth, outputs, sums / np.maximum(counts, 1), tuple(malformed)
