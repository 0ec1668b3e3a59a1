"""The label study of Zhao et al. (arXiv 2112.01496): readers label recordings blind, and agreement is measured.

For each class of each recording a reader answers "yes", "no" or "unsure". Only "yes" and "no" are used.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg.classes import Weights, code_of
from ecg.data.header import read_header
from ecg.errors import EntryError
from ecg.evaluation.bootstrap import interval
from ecg.files import LARGEST_TEXT, read_bytes, read_cells, write_csv, write_errors, write_whole

UNKNOWN = -1
ANSWERS = {"yes": 1, "no": 0}
FORM_ANSWERS = ANSWERS | {"y": ANSWERS["yes"], "n": ANSWERS["no"], "unsure": UNKNOWN, "": UNKNOWN}
SHOWN = 5  # invalid answers that an error names
RESAMPLES = 2000
KEY_COLUMNS = ("number", "recording")


def draw(labels: np.ndarray, outputs: np.ndarray, records: int, controls: int, seed: int) -> np.ndarray:
    """Draw ``records`` misclassified recordings and ``controls`` correctly classified ones, or all if there are fewer.

    ``labels`` and ``outputs`` (recordings, classes) have only the classes of the study. Returns row indices in random
    order.
    """
    wrong = (labels != outputs).any(axis=1)
    random, drawn = np.random.default_rng(seed), []
    for candidates, number in ((wrong, records), (~wrong, controls)):
        drawn.append(random.choice(np.flatnonzero(candidates), min(number, candidates.sum()), replace=False))
    return random.permutation(np.concatenate(drawn))


# -------------------------------------------------------------------------------------------------- key and forms


@dataclass(frozen=True)
class Key:
    """The part of a study that readers must not see: the recordings' names, in order, and their labels."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    labels: np.ndarray  # bool (recordings, classes)


def write_key(path: Path, names: Sequence[str], classes: Sequence[str], labels: np.ndarray) -> None:
    words = np.where(labels, "yes", "no")
    rows = [(number, name, *row) for number, (name, row) in enumerate(zip(names, words), 1)]
    write_csv(path, [(*KEY_COLUMNS, *classes), *rows])


def read_key(path: Path) -> Key:
    """Read a key. Raises EntryError if it is not as ``write_key`` writes it."""
    header, rows = _read_table(path, KEY_COLUMNS)
    labels = np.array([[ANSWERS.get(word, UNKNOWN) for word in row[2:]] for row in rows])
    numbers = [row[0] for row in rows]
    if not rows or (labels == UNKNOWN).any() or numbers != [str(number) for number in range(1, len(rows) + 1)]:
        raise EntryError(f"{path}: is not a key written by `review.py sample`; give that file, unchanged")
    return Key(tuple(row[1] for row in rows), tuple(header[2:]), labels.astype(bool))


def read_form(path: Path, key: Key) -> np.ndarray:
    """Read a reader's form.

    Returns the answers (recordings, classes): 1 for yes, 0 for no, UNKNOWN for unsure, an empty cell or a missing row.
    Raises EntryError if the form does not belong to ``key`` or has other answers.
    """
    header, rows = _read_table(path, ("number",))
    missing = [name for name in key.classes if name not in header]
    if missing:
        raise EntryError(f"{path}: has no column {missing[0]}; is it the form of this key?")
    answers, read, invalid = np.full(key.labels.shape, UNKNOWN), set(), []
    for row in rows:
        if not (re.fullmatch(r"[0-9]{1,9}(\.0)?", row[0]) and 1 <= float(row[0]) <= len(key.names)):
            raise EntryError(f"{path}: the key has no recording {row[0]!r}; is it the form of this key?")
        number = int(float(row[0]))
        if number in read:
            raise EntryError(f"{path}: recording {number} occurs twice; remove one of its rows")
        read.add(number)
        for k, name in enumerate(key.classes):
            answer = row[header.index(name)].strip()
            if answer.lower() in FORM_ANSWERS:
                answers[number - 1, k] = FORM_ANSWERS[answer.lower()]
            else:
                invalid.append(f"{answer!r:.50} for {name} of recording {number} ({key.names[number - 1]})")
    if invalid:
        more = f" and {len(invalid) - SHOWN} more" if len(invalid) > SHOWN else ""
        found = ", ".join(invalid[:SHOWN])
        raise EntryError(f"{path}: has the answers {found}{more}; an answer is yes, no, unsure or empty")
    return answers


def _read_table(path: Path, first_columns: tuple[str, ...]) -> tuple[list[str], list[list[str]]]:
    rows = read_cells(path, LARGEST_TEXT, ";\t,")  # as spreadsheets save it in some countries
    header = rows[0] if rows else []
    first = tuple(cell.casefold() for cell in header[: len(first_columns)])
    if first != tuple(column.casefold() for column in first_columns) or len(set(header)) < len(header):
        raise EntryError(f"{path}: the first columns must be {', '.join(first_columns)}, and no column may be repeated")
    if any(len(row) != len(header) for row in rows):
        raise EntryError(f"{path}: has rows of different lengths; give each row {len(header)} cells")
    return header, rows[1:]


# ------------------------------------------------------------------------------------------------------- agreement


@dataclass(frozen=True)
class Agreement:
    """Agreement of two raters (readers or the labels) on one class. Figures that are undefined are NaN."""

    table: np.ndarray  # [i, j]: number of recordings that the first rater calls i and the second j (0 no, 1 yes)
    kappa: float  # Cohen's kappa
    low: float  # 95 % confidence interval of kappa
    high: float
    raw: float  # proportion of recordings with the same answer


def agreement(first: np.ndarray, second: np.ndarray, seed: int = 0) -> Agreement:
    """Compare two raters' answers (recordings,) on the recordings that both decided.

    The confidence interval of kappa is from a bootstrap over these recordings.

    >>> agreement(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0])).kappa
    0.5
    """
    decided = (first != UNKNOWN) & (second != UNKNOWN)
    table = np.bincount(2 * first[decided] + second[decided], minlength=4).reshape(2, 2)
    number = table.sum()
    if not number:
        return Agreement(table, np.nan, np.nan, np.nan, np.nan)
    # Jeffreys' prior of 0.5, so that readers who always agree have an interval too
    draws = number * np.random.default_rng(seed).dirichlet(table.ravel() + 0.5, RESAMPLES).reshape(-1, 2, 2)
    kappa = float(kappas(table[np.newaxis])[0])
    low, high = np.clip(interval(kappa, kappas(draws)), -1, 1)
    return Agreement(table, kappa, low, high, float(np.trace(table) / number))


def kappas(tables: np.ndarray) -> np.ndarray:
    """Cohen's kappa of each of ``tables`` (n, 2, 2); NaN if both raters give the same answer to every recording."""
    proportions = tables / np.maximum(tables.sum(axis=(1, 2), keepdims=True), 1)
    observed = np.trace(proportions, axis1=1, axis2=2)
    expected = (proportions.sum(axis=2) * proportions.sum(axis=1)).sum(axis=1)
    return np.divide(observed - expected, 1 - expected, out=np.full(len(tables), np.nan), where=expected < 1 - 1e-12)


def overturned(labels: np.ndarray, readers: Sequence[np.ndarray]) -> np.ndarray:
    """bool (recordings, classes): whether all readers give the same answer and it contradicts the label."""
    answers = np.array(readers)
    unanimous = (answers == answers[0]).all(axis=0) & (answers[0] != UNKNOWN)
    return unanimous & (answers[0] != labels)


# ----------------------------------------------------------------------------------------------- corrected headers

SEPARATOR = re.compile("[,;|]")
DX = re.compile(rb"^([ \t]*#[# \t]*dx[ \t]*:[ \t]*)([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Correction:
    """The readers' decision about one class of a recording."""

    present: bool
    code: str  # added if the class is present
    equivalent: Collection[str]  # all codes and words of the class, removed if it is absent


def correct_headers(
    data: Path, folder: Path, weights: Weights, corrections: Mapping[Path, Sequence[Correction]]
) -> list[Path]:
    """Write each header in ``corrections`` to ``folder`` with corrected diagnoses and otherwise unchanged.

    Returns the headers whose labels, by the classes of ``weights``, cannot be corrected in ``#Dx``, such as a comment
    of their own. They are not written. Raises EntryError if ``folder`` is ``data`` or inside it, because two headers of
    one recording would conflict, or if one of the headers exists in ``folder``.
    """
    if data.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise EntryError(f"{folder}: is in {data}; give another folder for the corrected headers")
    for path in corrections:
        if (folder / path.name).exists():
            raise EntryError(f"{folder / path.name}: exists already; give a new folder")
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return [path for path, of_path in corrections.items() if not _write_corrected(path, folder, weights, of_path)]


def _write_corrected(source: Path, folder: Path, weights: Weights, corrections: Sequence[Correction]) -> bool:
    """Write the corrected header; whether it has the corrected labels. If not, nothing is left."""
    target, content = folder / source.name, corrected_header(read_bytes(source, LARGEST_TEXT), corrections)
    write_whole(target, lambda temporary: temporary.write_bytes(content))
    labels = weights.encode(read_header(target).diagnoses)
    is_corrected = all(labels[weights.column[item.code]] == item.present for item in corrections)
    if not is_corrected:
        target.unlink()
    return is_corrected


def corrected_header(content: bytes, corrections: Sequence[Correction]) -> bytes:
    r"""The header ``content`` with corrected diagnoses. All other bytes stay as they are.

    >>> corrected_header(b"#Age: 60\n#Dx: 39732003,1\n", [Correction(False, "39732003", ["39732003"])])
    b'#Age: 60\n#Dx: 1\n'
    """
    lines = [
        [code.strip() for code in SEPARATOR.split(line.group(2).decode("latin-1"))] for line in DX.finditer(content)
    ]
    removed = {"", "Unknown"}.union(*(item.equivalent for item in corrections if not item.present))
    kept = [[code for code in line if not {code, code.casefold(), code_of(code)} & removed] for line in lines]
    codes = {code for line in kept for code in line}
    added = [item.code for item in corrections if item.present and not codes & set(item.equivalent)]
    if not lines:
        if not added:
            return content
        end = b"\r\n" if b"\r\n" in content else b"\n"
        separator = b"" if not content or content.endswith(b"\n") else end
        return content + separator + b"#Dx: " + ",".join(added).encode("latin-1") + end
    kept[0] += added
    texts = iter(",".join(line) or "Unknown" for line in kept)
    return DX.sub(lambda line: line.group(1) + next(texts).encode("latin-1"), content)
