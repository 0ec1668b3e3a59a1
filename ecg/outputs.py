"""An entry's outputs: one csv of four lines a recording - its name, the class codes, the 0/1 labels, the scores."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg.errors import EntryError
from ecg.records import read_text
from ecg.scoring import Weights

TRUE = frozenset(("1", "True", "true", "T", "t"))


def format_outputs(name: str, classes: Sequence, labels: Sequence, scores: Sequence) -> str:
    """The text of an output file."""
    rows = ([f"#{name}"], classes, labels, scores)
    return "".join(",".join(map(str, row)) + "\n" for row in rows)


def parse_outputs(text: str) -> tuple[list[str], list[bool], list[float]] | None:
    """Class codes, labels and scores of an output file; None where it is malformed.

    As the official scorer reads it: lines that are blank or begin with ``#`` do not count, the others (at least three)
    must have the same number of cells; a label is true where it is one of TRUE, a score that is no number is 0.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    rows = [[cell.strip() for cell in line.split(",")] for line in lines]
    if len(rows) < 3 or len({len(row) for row in rows}) > 1:
        return None
    return rows[0], [label in TRUE for label in rows[1]], [_score(score) for score in rows[2]]


def _score(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


@dataclass(frozen=True)
class Outputs:
    """A folder's outputs: ``labels`` and ``scores`` (recordings, classes), and the names of the malformed files."""

    labels: np.ndarray
    scores: np.ndarray
    malformed: tuple[str, ...]


def load_outputs(folder: str | os.PathLike, names: Sequence[str], weights: Weights) -> Outputs:
    """The outputs of the recordings ``names``, from their files in ``folder``.

    Codes that are one class: the label is any of theirs, the score the mean of theirs that are numbers. A class that
    a file does not name is negative with the score 0, and so is every class of a malformed file, as in the official
    scorer. EntryError where a recording has no file.
    """
    labels = np.zeros((len(names), len(weights.classes)), bool)
    sums, counts = np.zeros(labels.shape), np.zeros(labels.shape)
    malformed = []
    for row, name in enumerate(names):
        path = Path(folder, f"{name}.csv")
        if not path.is_file():
            raise EntryError(f"{path}: no output for the recording {name}; run the driver on all recordings first")
        cells = parse_outputs(read_text(path))
        if cells is None:
            malformed.append(name)
            continue
        for code, label, score in zip(*cells):
            column = weights.column.get(code)
            if column is not None:
                labels[row, column] |= label
                if not math.isnan(score):
                    sums[row, column] += score
                    counts[row, column] += 1
    return Outputs(labels, sums / np.maximum(counts, 1), tuple(malformed))
