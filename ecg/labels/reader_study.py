"""The label study of Zhao et al. (arXiv 2112.01496) as a tool: readers read blind, and agree, or not, with the labels.

A reader says of each class of each recording "yes", "no" or "unsure". What is neither yes nor no takes no part.
"""

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg.errors import EntryError
from ecg.evaluation.bootstrap import interval
from ecg.files import LARGEST_TEXT, read_bytes, read_text, write_csv, write_errors, write_whole

ANSWERS = {"yes": 1, "no": 0}
UNKNOWN = -1
RESAMPLES = 2000
KEY_COLUMNS = ("number", "recording")


def draw(labels: np.ndarray, outputs: np.ndarray, records: int, controls: int, seed: int) -> np.ndarray:
    """Recordings (rows of the arrays) in random order: ``records`` misclassified ones and ``controls`` others.

    ``labels`` and ``outputs`` (recordings, classes) are of the classes in question alone. EntryError where there are
    too few.
    """
    wrong = (labels != outputs).any(axis=1)
    random, chosen = np.random.default_rng(seed), []
    for kind, rows, wanted in (("misclassified", wrong, records), ("rightly classified", ~wrong, controls)):
        if rows.sum() < wanted:
            raise EntryError(f"{wanted} {kind} recordings are wanted, and there are {rows.sum()}")
        chosen.append(random.choice(np.flatnonzero(rows), wanted, replace=False))
    return random.permutation(np.concatenate(chosen))


# ------------------------------------------------------------------------------------------------ the files


@dataclass(frozen=True)
class Key:
    """What is kept from the readers: which recording has which number, and its labels, bool (recordings, classes)."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    labels: np.ndarray


def write_key(path: Path, names: Sequence[str], classes: Sequence[str], labels: np.ndarray) -> None:
    words = np.where(labels, "yes", "no")
    rows = [(number, name, *row) for number, (name, row) in enumerate(zip(names, words), 1)]
    write_csv(path, [(*KEY_COLUMNS, *classes), *rows])


def read_key(path: Path) -> Key:
    header, rows = _read_table(path, KEY_COLUMNS)
    labels = np.array([[ANSWERS.get(word, UNKNOWN) for word in row[2:]] for row in rows])
    numbers = [row[0] for row in rows]
    if not rows or (labels == UNKNOWN).any() or numbers != [str(number) for number in range(1, len(rows) + 1)]:
        raise EntryError(f"{path}: is no key as `review.py sample` writes it")
    return Key(tuple(row[1] for row in rows), tuple(header[2:]), labels.astype(bool))


def read_form(path: Path, key: Key) -> np.ndarray:
    """A reader's answers (recordings, classes): 1 for yes, 0 for no, UNKNOWN where something else stands."""
    header, rows = _read_table(path, ("number",))
    missing = [name for name in key.classes if name not in header]
    if missing:
        raise EntryError(f"{path}: has no column {missing[0]}; is it the form of this key?")
    answers = np.full(key.labels.shape, UNKNOWN)
    columns = [header.index(name) for name in key.classes]
    for row in rows:
        if not (row[0].isdigit() and 1 <= int(row[0]) <= len(key.names)):
            raise EntryError(f"{path}: a recording {row[0]!r} that the key does not have; is it the form of this key?")
        answers[int(row[0]) - 1] = [ANSWERS.get(row[column].strip().lower(), UNKNOWN) for column in columns]
    return answers


def _read_table(path: Path, first: tuple[str, ...]) -> tuple[list[str], list[list[str]]]:
    rows = [row for row in csv.reader(read_text(path).splitlines()) if any(row)]
    header = [cell.strip() for cell in rows[0]] if rows else []
    if tuple(header[: len(first)]) != first or len(set(header)) < len(header):
        raise EntryError(f"{path}: does not begin with the columns {', '.join(first)}")
    if any(len(row) != len(header) for row in rows):
        raise EntryError(f"{path}: has rows of different lengths")
    return header, rows[1:]


# --------------------------------------------------------------------------------------------- the agreement


@dataclass(frozen=True)
class Agreement:
    """Between two readers, or a reader and the labels: ``table[i, j]`` recordings that the first calls i, the other j
    (no, yes); Cohen's kappa with its interval; the part of the recordings they agree on. NaN where not defined."""

    table: np.ndarray
    kappa: float
    low: float
    high: float
    raw: float


def agreement(one: np.ndarray, other: np.ndarray, seed: int = 0) -> Agreement:
    """Of two columns of answers; the interval (95 %) is of a bootstrap over the recordings that both have decided."""
    both = (one != UNKNOWN) & (other != UNKNOWN)
    table = np.bincount(2 * one[both] + other[both], minlength=4).reshape(2, 2)
    number = table.sum()
    if not number:
        return Agreement(table, np.nan, np.nan, np.nan, np.nan)
    # Jeffreys' prior of 0.5, so that readers who always agree have an interval too
    draws = number * np.random.default_rng(seed).dirichlet(table.ravel() + 0.5, RESAMPLES).reshape(-1, 2, 2)
    kappa = float(kappas(table[np.newaxis])[0])
    low, high = np.clip(interval(kappa, kappas(draws)), -1, 1)
    return Agreement(table, kappa, low, high, float(np.trace(table) / number))


def kappas(tables: np.ndarray) -> np.ndarray:
    """Cohen's kappa of each of ``tables`` (n, 2, 2); NaN where both say the same of every recording."""
    parts = tables / np.maximum(tables.sum(axis=(1, 2), keepdims=True), 1)
    observed = np.trace(parts, axis1=1, axis2=2)
    expected = (parts.sum(axis=2) * parts.sum(axis=1)).sum(axis=1)
    return np.divide(observed - expected, 1 - expected, out=np.full(len(tables), np.nan), where=expected < 1 - 1e-12)


def overturned(labels: np.ndarray, readers: Sequence[np.ndarray]) -> np.ndarray:
    """Boolean, as ``labels`` (recordings, classes): where all readers say the same, and not what the label says."""
    answers = np.array(readers)
    of_one_mind = (answers == answers[0]).all(axis=0) & (answers[0] != UNKNOWN)
    return of_one_mind & (answers[0] != labels)


# ------------------------------------------------------------------------------------------ corrected headers

DX = re.compile(rb"^([ \t]*#[# \t]*dx[ \t]*:[ \t]*)([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Correction:
    """Of one class of a recording: whether it is there, its code, and all codes that count as it."""

    is_so: bool
    code: str
    same: Collection[str]


def correct_headers(data: Path, folder: Path, changes: Mapping[Path, Sequence[Correction]]) -> None:
    """Writes the header at each path of ``changes`` to ``folder``, its diagnoses corrected and nothing else.

    EntryError where ``folder`` is ``data`` or in it (a second header of the same name would stand in the first one's
    way), or holds one of them already.
    """
    if data.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise EntryError(f"{folder}: is in {data}; give another folder for the corrected headers")
    for path in changes:
        if (folder / path.name).exists():
            raise EntryError(f"{folder / path.name}: is there already; give a new folder")
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for path, corrections in changes.items():
        corrected = corrected_header(read_bytes(path, LARGEST_TEXT), corrections)
        write_whole(folder / path.name, lambda temporary, corrected=corrected: temporary.write_bytes(corrected))


def corrected_header(content: bytes, corrections: Sequence[Correction]) -> bytes:
    """A header with corrected diagnoses; the rest stays as it is, to the byte."""
    lines = [[code.strip() for code in line.group(2).decode("latin-1").split(",")] for line in DX.finditer(content)]
    unwanted = {code for one in corrections if not one.is_so for code in one.same} | {"", "Unknown"}
    kept = [[code for code in line if code not in unwanted] for line in lines]
    there = {code for line in kept for code in line}
    new = [one.code for one in corrections if one.is_so and not there & set(one.same)]
    if not lines:
        end = b"\r\n" if b"\r\n" in content else b"\n"
        begun = content if not content or content.endswith(b"\n") else content + end
        return begun + b"#Dx: " + ",".join(new).encode("latin-1") + end if new else content
    kept[0] += new
    texts = iter(",".join(line) or "Unknown" for line in kept)
    return DX.sub(lambda line: line.group(1) + next(texts).encode("latin-1"), content)
