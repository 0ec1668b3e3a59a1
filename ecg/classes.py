"""The scored classes: codes, names, clinical groups, equivalent codes, and the reward matrix in weights.csv.

A user's own classes come from a table (classes.csv), or from a weights.csv with other codes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg.errors import EntryError
from ecg.files import read_cells, write_csv

WEIGHTS_FILE = Path(__file__).resolve().parent.parent / "weights.csv"
CLASS_TABLE = ("name", "means", "reward")  # the columns of classes.csv; only the first one is needed
LARGEST_REWARD = 1000.0
CLASS_NAME = re.compile(r"[^\s,#|;]{1,200}")  # it stands in output files and in weights.csv
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
OTHER_NAMES = {
    "59118001": ("RBBB", "right bundle branch block"),
    "63593006": ("SVPB", "supraventricular premature beats"),
    "17338001": ("VPB", "ventricular premature beats"),
    "270492004": ("first-degree atrioventricular (AV) block", "first-degree AV block"),
}
CODES_BY_NAME = {name.casefold(): code for table in (OTHER_NAMES, NAMES) for code in table for name in table[code]}
CODE = re.compile(r"(\d+)(?:\.0*)?")  # spreadsheets write 426783006.0
LONG_CODE = re.compile(r"\d{6,18}(?:\.0*)?")  # a SNOMED CT code among other words
DENIED = (
    r"(?:no|not|without|exclu\w+|ruled? out|r/o|negative|absent|denie[sd]|h(?:istory of|/o)|former|previous|"
    r"possibl[ey]|probabl[ey]|suspected|suspicion of|ohne|kein\w*|ausgeschlossen|verdacht auf|sans)"
)
QUALIFIED = re.compile(rf"{DENIED}\b.*|.*(?:\s|\(){DENIED}\)?", re.IGNORECASE)  # "no AF", "AF (excluded)"
NO_DIAGNOSIS = {"", "-", "?", "na", "n/a", "nan", "none", "null", "unknown"}


def find_class(classes: Sequence[str], name: str) -> int:
    """The index in ``classes`` (codes) of the class that ``name`` means.

    ``name`` is an abbreviation, a code, a full name, or a part of one full name only, in capital or small letters.
    Raises EntryError if there is no such class, or several.

    >>> classes = ["426783006", "713427006"]
    >>> find_class(classes, "crbbb"), find_class(classes, "59118001"), find_class(classes, "right bundle")
    (1, 1, 1)
    """
    wanted, meant = name.casefold().strip(), code_of(name.strip())
    for column, code in enumerate(classes):
        if wanted == code.casefold() or meant and code in (meant, FIRST.get(meant)):
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


def code_of(text: str) -> str | None:
    """The code that ``text`` means: a code, with ".0" behind it too, or the name of a class; None for other text.

    >>> code_of("164889003.0"), code_of("af"), code_of("STEMI")
    ('164889003', '164889003', None)
    """
    if match := CODE.fullmatch(text):
        return match.group(1)
    return CODES_BY_NAME.get(text.casefold())


def split_diagnoses(text: str) -> list[str]:
    """The diagnoses in ``text``: codes for codes and names of classes, other text as it is; nothing for "Unknown".

    Commas, semicolons and bars separate them. So do blanks and the signs / + & between codes or names of classes. What
    is denied or doubted, such as "no AF" or "164889003 (excluded)", stays as it is written, and so means no class.

    >>> split_diagnoses("426783006.0; AF RBBB, 'old infarct' | 59931005 (inverted T), Unknown")
    ['426783006', '164889003', '59118001', 'old infarct', '59931005']
    """
    found: list[str] = []
    for part in re.split(r"[,;|\uff0c\uff1b\u3001]", text):
        part = part.strip(" \t'\"[]{}")
        if part.casefold() in NO_DIAGNOSIS:
            continue
        whole = code_of(part)
        if whole is None and QUALIFIED.fullmatch(part):
            found.append(part)
            continue
        whole = whole or code_of(re.sub(r"(\d)\s*\(.*\)$", r"\1", part))
        words = [word for word in re.split(r"[\s/+&]+", part) if word]
        if whole is None and all(map(code_of, words)):
            found += [code_of(word) or word for word in words]
        elif whole is None and any(map(LONG_CODE.fullmatch, words)):
            found += [code_of(word) or word for word in words if LONG_CODE.fullmatch(word)]
            found.append(" ".join(word for word in words if not LONG_CODE.fullmatch(word)))
        else:
            found.append(whole or part)
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Weights:
    """The reward matrix: ``matrix[i, j]`` is the reward for output j if label i is true.

    ``column`` maps every code, equivalent codes included, to its class's row and column, and so the words of own
    classes, in small letters.
    """

    classes: tuple[str, ...]
    matrix: np.ndarray  # (classes, classes)
    column: dict[str, int]

    @property
    def normal(self) -> int | None:
        """The column of sinus rhythm; None if it is not one of the classes."""
        return self.column.get(NORMAL)

    def encode(self, diagnoses: Iterable[str]) -> np.ndarray:
        """bool (classes,): the classes among ``diagnoses``. Diagnoses that are not scored are ignored."""
        row = np.zeros(len(self.classes), bool)
        row[[column for diagnosis in diagnoses if (column := self._find(diagnosis)) is not None]] = True
        return row

    def is_labelled(self, diagnoses: Sequence[str]) -> bool:
        """Whether a recording with these ``diagnoses`` has labels to train on.

        It needs one of the classes, as published. If sinus rhythm is not one of them, a recording with other diagnoses
        only is labelled too: none of the classes is true.
        """
        return bool(self.encode(diagnoses).any()) or (self.normal is None and bool(diagnoses))

    def not_understood(self, diagnoses: Iterable[str]) -> list[str]:
        """The ``diagnoses`` of a header that are neither codes nor names of classes.

        >>> load_weights().not_understood(["426783006", "STEMI"])
        ['STEMI']
        """
        return [name for name in diagnoses if not name.isdigit() and self._find(_affirmed(name)) is None]

    def _find(self, diagnosis: str) -> int | None:
        column = self.column.get(diagnosis)
        return self.column.get(diagnosis.casefold()) if column is None else column


def _affirmed(diagnosis: str) -> str:
    """ "chagas label: true" for "chagas label: false": a label that is denied is understood too."""
    return re.sub(": false$", ": true", diagnosis)


def load_weights(path: Path = WEIGHTS_FILE) -> Weights:
    """Read weights.csv in the form of 2020 (one code a row) or of 2021 (equivalent codes joined by ``|``).

    It may also be a table of own classes (docs/classes.md). Blank lines are ignored. Raises EntryError if the file is
    neither, or a code means two classes.

    >>> weights = load_weights()
    >>> len(weights.classes), weights.encode(["59118001", "12345"]).sum()
    (24, np.int64(1))
    """
    rows = read_cells(path, separators=",;\t")  # as spreadsheets write it in some countries
    if rows and rows[0][0].casefold() == CLASS_TABLE[0]:
        means, values = _parse_class_table(rows, path)
    else:
        means, values = _parse_matrix(rows, path)
    return _weights(means, values, path)


def own_classes(means: Mapping[str, Sequence[str]]) -> Weights:
    """Own classes, each with the words that mean it; the reward of a true output is 1.

    >>> own_classes({"Chagas": ["chagas label: true"]}).encode(["chagas label: true"])
    array([ True])
    """
    return _weights([(name, *words) for name, words in means.items()], np.eye(len(means)), Path("classes"))


def _weights(means: Sequence[Sequence[str]], values: np.ndarray, path: Path) -> Weights:
    """``means`` has the words that mean each class, its name first; ``path`` names the file in errors."""
    keep: dict[str, int] = {}  # equivalent codes may have rows of their own
    for index, (name, *_) in enumerate(means):
        keep.setdefault(FIRST.get(name, name), index)
    columns = {name: column for column, name in enumerate(keep)}
    column = dict(columns)
    for words in means:
        index = columns[FIRST.get(words[0], words[0])]
        for word in words:
            if column.setdefault(code_of(word) or word.casefold(), index) != index:
                raise EntryError(f"{path}: {word} means two classes, one of them is {words[0]}")
    for code, name in FIRST.items():
        if name in column:
            column.setdefault(code, column[name])
    kept = list(keep.values())
    return Weights(tuple(keep), values[np.ix_(kept, kept)], column)


def _parse_matrix(rows: Sequence[Sequence[str]], path: Path) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """The codes or words that mean each class, its name first, and the rewards (classes, classes)."""
    try:
        names = [tuple(cell.split("|")) for cell in rows[0][1:]]
        values = np.array([[float(cell.replace(",", ".")) for cell in row[1:]] for row in rows[1:]])
        matches = [tuple(row[0].split("|")) for row in rows[1:]] == names and values.shape == (len(names),) * 2
    except (IndexError, ValueError):
        matches = False
    if not matches:
        raise EntryError(
            f"{path}: neither a table of own classes, whose first line is {','.join(CLASS_TABLE)}, nor a square "
            "reward matrix with the same codes over its columns and before its rows"
        )
    return names, values


def _parse_class_table(rows: Sequence[Sequence[str]], path: Path) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """The same from a table of own classes: a name, what else means it in headers (separated by ``|``), and a reward.

    The reward is that of an output that is true (1 if the column or the cell is empty). Other outputs have none.
    """
    columns = [cell.casefold() for cell in rows[0]]
    if not set(columns) <= set(CLASS_TABLE) or len(set(columns)) < len(columns):
        raise EntryError(f"{path}: its columns are {', '.join(rows[0])}; they must be {', '.join(CLASS_TABLE)}")
    names: list[tuple[str, ...]] = []
    rewards = []
    for row in rows[1:]:
        if len(row) > len(columns):
            raise EntryError(f"{path}: {','.join(row)} has more cells than columns; separate what means a class by |")
        cells = dict(zip(columns, row))
        name, reward = cells["name"], cells.get("reward") or "1"
        if not CLASS_NAME.fullmatch(name):
            raise EntryError(f"{path}: the name {name!r} is empty, or has a blank or one of , # | ;")
        try:
            rewards.append(float(reward.replace(",", ".")))
        except ValueError as error:
            raise EntryError(f"{path}: the reward {reward!r} of {name} is not a number") from error
        if not abs(rewards[-1]) <= LARGEST_REWARD:
            raise EntryError(
                f"{path}: the reward {reward} of {name} is not between {-LARGEST_REWARD:g} and {LARGEST_REWARD:g}"
            )
        means = split_diagnoses(cells.get("means", ""))
        code = code_of(name)
        if means and code and code not in means:
            raise EntryError(
                f"{path}: {name} is also the Challenge's name for {full_name(FIRST.get(code, code))}; "
                f"give the class another name, or add {code} to what means it"
            )
        names.append((name, *means))
    if len({words[0].casefold() for words in names}) < len(names):
        raise EntryError(f"{path}: names a class twice; give each class one line")
    if not names:
        raise EntryError(f"{path}: has no class; each line is a name, what means it (separated by |), and a reward")
    return names, np.diag(rewards)


def write_weights(path: Path, weights: Weights) -> None:
    """Write ``weights`` in the official form of 2021, so that the official scorer and ``load_weights`` read it."""
    means: list[list[str]] = [[name] for name in weights.classes]
    for code, column in weights.column.items():
        if code not in (weights.classes[column], weights.classes[column].casefold()):
            means[column].append(code)
    names = ["|".join(codes) for codes in means]
    rows = [[name, *(f"{value:.12g}" for value in row)] for name, row in zip(names, weights.matrix)]
    write_csv(path, [["", *names], *rows])
