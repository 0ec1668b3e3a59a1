"""Output files: one csv per recording with four lines: its name, the class codes, the 0/1 labels, the scores."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ecg.classes import Weights
from ecg.data.header import read_diagnoses
from ecg.errors import EntryError, RecordError, printable
from ecg.files import read_text

TRUE = frozenset(("1", "True", "true", "T", "t"))  # the labels that the official scorer counts as positive


@dataclass(frozen=True)
class Evaluation:
    """The true labels, output labels and scores of recordings, each (recordings, classes)."""

    headers: Sequence[str]
    labels: np.ndarray
    outputs: np.ndarray
    scores: np.ndarray
    malformed: tuple[str, ...]  # names of the recordings with a malformed output file
    unknown_diagnoses: Counter[str]  # those in the headers that are not understood, with their numbers
    trained_on: np.ndarray  # bool (recordings,): the driver noted that the model was trained on them
    about_model: str = ""  # what the driver noted about the model


def format_outputs(name: str, classes: Sequence, labels: Sequence, scores: Sequence) -> str:
    """Format an output file.

    Parameters
    ----------
    name : str
        The name of the recording.
    classes, labels, scores : sequences (classes,)
        Class codes, labels (0 or 1) and scores. Scores are written with six significant digits. In bfloat16 the third
        digit after the point, in float32 the seventh, may depend on the recordings that run in the same batch.

    Returns
    -------
    str
        The four lines.

    Examples
    --------
    >>> print(format_outputs("A0001", ["426783006", "164889003"], [1, 0], [0.98765432, 0.25]), end="")
    #A0001
    426783006,164889003
    1,0
    0.987654,0.25
    """
    rows = ([f"#{printable(name)}"], classes, labels, [f"{score:.6g}" for score in scores])
    return "".join(",".join(map(str, row)) + "\n" for row in rows)


def parse_outputs(text: str) -> tuple[tuple[str, ...], list[bool], list[float]] | None:
    """Parse an output file by the rules of the official scorer.

    Parameters
    ----------
    text : str
        The text of the file. Blank lines and lines that begin with ``#`` are ignored.

    Returns
    -------
    codes, labels, scores : tuple of str, list of bool, list of float
        A label is True if it is one of TRUE. A score that is not a number is 0.
        None instead of the three if the file is malformed: fewer than three lines, or lines of different lengths.

    Examples
    --------
    >>> parse_outputs("#A0001\\n426783006,164889003\\n1,0\\n0.9,0.25\\n")
    (('426783006', '164889003'), [True, False], [0.9, 0.25])
    >>> parse_outputs("#A0001\\n426783006,164889003\\n1\\n") is None
    True
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
    """Cached, because all files of a folder usually have the same codes."""
    return tuple(_cells(line))


def _scores(cells: list[str]) -> list[float]:
    try:
        return list(map(float, cells))
    except ValueError:  # one of them is not a number
        return [_score(cell) for cell in cells]


def _score(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return 0.0


def load_labels_and_outputs(
    headers: Sequence[str], folder: str | os.PathLike, weights: Weights
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...], Counter[str]]:
    """The true labels, output labels and scores (recordings, classes), malformed outputs, and unknown diagnoses.

    Malformed output files are given by the names of their recordings. Unknown diagnoses are those that are not
    understood (``Weights.not_understood``), with their numbers.

    ``headers`` are the header files of the recordings, ``folder`` holds their output files. The rules are those of the
    official scorer. For equivalent codes, the label is true if any of theirs is, and the score is the mean of their
    scores without NaN. A class that an output file does not name is negative with score 0, and so is every class of a
    malformed file. Raises EntryError if a recording has no output file.
    """
    diagnoses = [read_diagnoses(path) for path in headers]
    truth = np.array([weights.encode(codes) for codes in diagnoses])
    unknown = Counter(name for codes in diagnoses for name in weights.not_understood(codes))
    malformed = []
    # files with the same codes in the same order are decoded together
    files: dict[tuple[str, ...], tuple[list[int], list[bool], list[float]]] = {}
    for row, header in enumerate(headers):
        name = os.path.splitext(os.path.basename(header))[0]
        try:
            cells = parse_outputs(read_text(os.path.join(folder, f"{name}.csv")))
        except RecordError as error:
            raise EntryError(f"{error}: no output for {name}; run the driver on all recordings first") from error
        if cells is None:
            malformed.append(name)
            continue
        codes, labels, scores = cells
        rows, all_labels, all_scores = files.setdefault(codes, ([], [], []))
        rows.append(row)
        all_labels += labels
        all_scores += scores

    outputs = np.zeros(truth.shape, bool)
    sums, counts = np.zeros(truth.shape), np.zeros(truth.shape)
    for codes, (rows, all_labels, all_scores) in files.items():
        file_labels = np.array(all_labels).reshape(len(rows), len(codes))
        file_scores = np.array(all_scores).reshape(len(rows), len(codes))
        known = ~np.isnan(file_scores)
        for cell, code in enumerate(codes):
            column = weights.column.get(code, weights.column.get(code.casefold()))
            if column is not None:
                outputs[rows, column] |= file_labels[:, cell]
                sums[rows, column] += np.where(known[:, cell], file_scores[:, cell], 0)
                counts[rows, column] += known[:, cell]
    return truth, outputs, sums / np.maximum(counts, 1), tuple(malformed), unknown
