"""The scored classes: codes, names, clinical groups, equivalent codes, and the reward matrix in weights.csv."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg.errors import EntryError

WEIGHTS_FILE = Path(__file__).resolve().parent.parent / "weights.csv"
NORMAL = "426783006"  # sinus rhythm
# Codes that count as one class, named by the first code (the official list of 2020).
EQUIVALENT = (("713427006", "59118001"), ("284470004", "63593006"), ("427172004", "17338001"))
FIRST = {code: group[0] for group in EQUIVALENT for code in group}
GROUPS = {  # in clinical order: group, SNOMED CT code, abbreviation and full name, as the Challenge has them
    "rhythm": {
        "426783006": ("SNR", "sinus rhythm"),
        "426177001": ("SB", "sinus bradycardia"),
        "427084000": ("STach", "sinus tachycardia"),
        "427393009": ("SA", "sinus arrhythmia"),
        "426627000": ("Brady", "bradycardia"),
        "164889003": ("AF", "atrial fibrillation"),
        "164890007": ("AFL", "atrial flutter"),
        "284470004": ("PAC", "premature atrial contraction"),
        "427172004": ("PVC", "premature ventricular contractions"),
        "10370003": ("PR", "pacing rhythm"),
    },
    "conduction": {
        "270492004": ("IAVB", "1st degree AV block"),
        "164947007": ("LPR", "prolonged PR interval"),
        "713427006": ("CRBBB", "complete right bundle branch block"),
        "713426002": ("IRBBB", "incomplete right bundle branch block"),
        "164909002": ("LBBB", "left bundle branch block"),
        "733534002": ("CLBBB", "complete left bundle branch block"),  # scored in 2021 only
        "6374002": ("BBB", "bundle branch block"),  # scored in 2021 only
        "445118002": ("LAnFB", "left anterior fascicular block"),
        "698252002": ("NSIVCB", "nonspecific intraventricular conduction disorder"),
    },
    "axis": {
        "39732003": ("LAD", "left axis deviation"),
        "47665007": ("RAD", "right axis deviation"),
    },
    "ST, T and QT": {
        "164934002": ("TAb", "T wave abnormal"),
        "59931005": ("TInv", "T wave inversion"),
        "111975006": ("LQT", "prolonged QT interval"),
    },
    "other": {
        "164917005": ("QAb", "Q wave abnormal"),
        "251146004": ("LQRSV", "low QRS voltages"),
        "365413008": ("PRWP", "poor R wave progression"),  # scored in 2021 only
    },
}
NAMES = {code: names for group in GROUPS.values() for code, names in group.items()}
ABBREVIATIONS = {code: names[0] for code, names in NAMES.items()}


def find_class(classes: Sequence[str], name: str) -> int:
    """The index in ``classes`` (codes) of the class that ``name`` means.

    ``name`` is an abbreviation, a code, a full name, or a part of one full name only, in capital or small letters.
    Raises EntryError if there is no such class, or several.

    >>> classes = ["426783006", "713427006"]
    >>> find_class(classes, "crbbb"), find_class(classes, "59118001"), find_class(classes, "right bundle")
    (1, 1, 1)
    """
    wanted = name.casefold().strip()
    for column, code in enumerate(classes):
        if wanted in (abbreviation(code).casefold(), full_name(code).casefold()) or code in (name, FIRST.get(name)):
            return column
    found = [column for column, code in enumerate(classes) if wanted and wanted in full_name(code).casefold()]
    if len(found) == 1:
        return found[0]
    possible = sorted([classes[column] for column in found] or classes, key=clinical_rank)
    names = ", ".join(f"{full_name(code)} ({abbreviation(code)})" for code in possible)
    raise EntryError(f"{name}: {'means several' if found else 'none'} of the classes: {names}")


def abbreviation(code: str) -> str:
    """The class's abbreviation, or ``code`` if it has none."""
    return ABBREVIATIONS.get(code, code)


def full_name(code: str) -> str:
    """The class's full name, or ``code`` if it has none."""
    return NAMES[code][1] if code in NAMES else code


def group_of(code: str) -> str:
    """The class's clinical group, a key of GROUPS."""
    return next((group for group, codes in GROUPS.items() if code in codes), "other")


def clinical_rank(code: str) -> int:
    """The class's place in clinical order, for sorting; classes without a name come last."""
    return list(NAMES).index(code) if code in NAMES else len(NAMES)


@dataclass(frozen=True)
class Weights:
    """The reward matrix: ``matrix[i, j]`` is the reward for output j if label i is true.

    ``column`` maps every code, equivalent codes included, to its class's row and column.
    """

    classes: tuple[str, ...]
    matrix: np.ndarray  # (classes, classes)
    column: dict[str, int]

    @property
    def normal(self) -> int:
        return self.column[NORMAL]

    def encode(self, codes: Iterable[str]) -> np.ndarray:
        """bool (classes,): the scored classes among ``codes``. Codes that are not scored are ignored."""
        row = np.zeros(len(self.classes), bool)
        row[[self.column[code] for code in codes if code in self.column]] = True
        return row


def load_weights(path: Path = WEIGHTS_FILE) -> Weights:
    """Read weights.csv in the form of 2020 (one code a row) or of 2021 (equivalent codes joined by ``|``).

    Blank lines are ignored. Raises EntryError if the table is not square or has no row for sinus rhythm.

    >>> weights = load_weights()
    >>> len(weights.classes), weights.encode(["59118001", "12345"]).sum()
    (24, np.int64(1))
    """
    try:
        with open(path, newline="") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(row)]
        names = [tuple(cell.split("|")) for cell in rows[0][1:]]
        values = np.array([[float(cell) for cell in row[1:]] for row in rows[1:]])
        matches = [tuple(row[0].split("|")) for row in rows[1:]] == names and values.shape == (len(names),) * 2
    except (OSError, IndexError, ValueError) as error:
        raise EntryError(f"{path}: not the reward matrix ({error})") from error
    if not matches:
        raise EntryError(f"{path}: not a square table with the same codes over its columns and before its rows")
    groups: dict[str, list[str]] = {}
    keep = []
    for index, codes in enumerate(names):
        name = FIRST.get(codes[0], codes[0])
        if name not in groups:
            keep.append(index)
        groups.setdefault(name, []).extend(codes)
    column = {code: index for index, codes in enumerate(groups.values()) for code in codes}
    for code, name in FIRST.items():
        if name in column:
            column[code] = column[name]
    if NORMAL not in column:
        raise EntryError(f"{path}: has no row for sinus rhythm ({NORMAL})")
    return Weights(tuple(groups), values[np.ix_(keep, keep)], column)
