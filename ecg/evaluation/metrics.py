"""The Challenge metric and the other official figures, on whole arrays.

Labels and outputs are boolean arrays (recordings, classes), scores are float arrays of the same shape; the classes
are the 24 scored ones in the order of weights.csv. Each figure equals the official scorer's to 1e-12; only the
loops over recordings are gone.
"""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg.errors import EntryError

WEIGHTS = Path(__file__).resolve().parents[2] / "weights.csv"
NORMAL = "426783006"  # sinus rhythm
# Codes that count as one class, named by the first (the official list of 2020).
EQUIVALENT = (("713427006", "59118001"), ("284470004", "63593006"), ("427172004", "17338001"))
FIRST = {code: group[0] for group in EQUIVALENT for code in group}
ABBREVIATIONS = {
    "270492004": "IAVB", "164889003": "AF", "164890007": "AFL", "426627000": "Brady", "713427006": "CRBBB",
    "713426002": "IRBBB", "445118002": "LAnFB", "39732003": "LAD", "164909002": "LBBB", "251146004": "LQRSV",
    "698252002": "NSIVCB", "10370003": "PR", "284470004": "PAC", "427172004": "PVC", "164947007": "LPR",
    "111975006": "LQT", "164917005": "QAb", "47665007": "RAD", "427393009": "SA", "426177001": "SB",
    "426783006": "SNR", "427084000": "STach", "164934002": "TAb", "59931005": "TInv",
    "733534002": "CLBBB", "365413008": "PRWP", "6374002": "BBB",
}  # fmt: skip


def find_class(classes: Sequence[str], name: str) -> int:
    """Which of ``classes`` (codes) has the abbreviation or the code ``name``; EntryError where none has."""
    for column, code in enumerate(classes):
        if name.upper() == abbreviation(code).upper() or code in (name, FIRST.get(name)):
            return column
    raise EntryError(f"{name}: none of the classes {', '.join(map(abbreviation, classes))}")


def abbreviation(code: str) -> str:
    """Of a class; its code where it has none."""
    return ABBREVIATIONS.get(code, code)


@dataclass(frozen=True)
class Weights:
    """The reward matrix: ``matrix[i, j]`` for output j where label i is true. ``column`` finds any code's class."""

    classes: tuple[str, ...]
    matrix: np.ndarray
    column: dict[str, int]

    @property
    def normal(self) -> int:
        return self.column[NORMAL]

    def encode(self, codes: Iterable[str]) -> np.ndarray:
        """Boolean (classes,): which scored classes ``codes`` name; codes that are not scored are passed over."""
        row = np.zeros(len(self.classes), bool)
        row[[self.column[code] for code in codes if code in self.column]] = True
        return row


def load_weights(path: Path = WEIGHTS) -> Weights:
    """weights.csv in the form of 2020 (one code a row) or of 2021 (equal codes joined by ``|``).

    A blank line is passed over. EntryError where the table is not square, or has no row for sinus rhythm.
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


def rewards(matrix: np.ndarray, labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Each recording's reward (recordings,): the mean of the matrix over its pairs, by the size of the union."""
    union = np.maximum((labels | outputs).sum(axis=1), 1)
    return ((labels @ matrix) * outputs).sum(axis=1) / union


def reward_parts(labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """The Challenge's confusion (labels, outputs): each recording's pairs, by the size of its union, summed."""
    union = np.maximum((labels | outputs).sum(axis=1, keepdims=True), 1)
    return (labels / union).T @ outputs


def metric_parts(weights: Weights, labels: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each recording, above sinus rhythm's reward, that of its outputs and that of its labels, each (recordings,).

    The Challenge metric is the ratio of their sums.
    """
    always_normal = np.zeros_like(labels)
    always_normal[:, weights.normal] = True
    observed, correct, inactive = (
        rewards(weights.matrix, labels, choice) for choice in (outputs, labels, always_normal)
    )
    return observed - inactive, correct - inactive


def challenge_metric(weights: Weights, labels: np.ndarray, outputs: np.ndarray) -> float:
    """The weighted accuracy: 1 for outputs equal to the labels, 0 for sinus rhythm everywhere; it can be below 0."""
    gained, possible = (part.sum() for part in metric_parts(weights, labels, outputs))
    return float(gained / possible) if possible else 0.0


def accuracy(labels: np.ndarray, outputs: np.ndarray) -> float:
    """The part of the recordings with every class right."""
    return float((labels == outputs).all(axis=1).mean())


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(above), math.nan), where=below != 0)


def mean(values: np.ndarray) -> float:
    """The mean of the defined values; NaN where none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else math.nan


@dataclass(frozen=True)
class Confusion:
    """Per class: true and false positives, false and true negatives, each (classes,)."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray

    @property
    def sensitivity(self) -> np.ndarray:
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> np.ndarray:
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def f_measure(self) -> np.ndarray:
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def f_beta(self, beta: float) -> np.ndarray:
        return _ratio((1 + beta**2) * self.tp, (1 + beta**2) * self.tp + self.fp + beta**2 * self.fn)

    def g_beta(self, beta: float) -> np.ndarray:
        return _ratio(self.tp, self.tp + self.fp + beta * self.fn)


def confusion(labels: np.ndarray, outputs: np.ndarray, by_labels: bool = False) -> Confusion:
    """The confusion of each class; ``by_labels`` divides a recording's part by the number of its labels."""
    part = np.ones((len(labels), 1))
    if by_labels:
        part = 1 / np.maximum(labels.sum(axis=1, keepdims=True), 1)
    return Confusion(
        *(
            (part * cell).sum(axis=0)
            for cell in (labels & outputs, ~labels & outputs, labels & ~outputs, ~labels & ~outputs)
        )
    )


def curve(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True and false positives (thresholds,) of one class at its distinct scores, from none positive to all."""
    order = np.argsort(-scores)
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    positives = np.cumsum(labels[order])[last]
    return np.append(0, positives), np.append(0, last + 1 - positives)


def auroc_auprc(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas under the ROC and the precision-recall curve, each (classes,).

    As in the official code a class with no positives is NaN in both, one with no negatives is NaN in AUROC alone.
    """
    auroc, auprc = np.full((2, labels.shape[1]), math.nan)
    for k in range(labels.shape[1]):
        tp, fp = curve(labels[:, k], scores[:, k])
        if tp[-1]:
            steps = np.diff(tp) / tp[-1]
            auprc[k] = (steps * tp[1:] / (tp + fp)[1:]).sum()
            if fp[-1]:
                specificity = 1 - fp / fp[-1]
                auroc[k] = (0.5 * steps * (specificity[1:] + specificity[:-1])).sum()
    return auroc, auprc


@dataclass(frozen=True)
class Scores:
    """Every official figure, with the paper's sensitivity and specificity; the arrays are per class."""

    classes: tuple[str, ...]
    auroc: np.ndarray
    auprc: np.ndarray
    accuracy: float
    f_measure: np.ndarray
    f_beta: np.ndarray
    g_beta: np.ndarray
    challenge_metric: float
    sensitivity: np.ndarray
    specificity: np.ndarray

    def official(self) -> dict[str, float]:
        """The official figures by their official names, in their order."""
        return {
            "AUROC": mean(self.auroc),
            "AUPRC": mean(self.auprc),
            "Accuracy": self.accuracy,
            "F-measure": mean(self.f_measure),
            "Fbeta-measure": mean(self.f_beta),
            "Gbeta-measure": mean(self.g_beta),
            "Challenge metric": self.challenge_metric,
        }


def score(weights: Weights, labels: np.ndarray, outputs: np.ndarray, scores: np.ndarray) -> Scores:
    """All figures of ``outputs`` and ``scores`` against ``labels``."""
    auroc, auprc = auroc_auprc(labels, scores)
    counts, parts = confusion(labels, outputs), confusion(labels, outputs, by_labels=True)
    return Scores(
        classes=weights.classes,
        auroc=auroc,
        auprc=auprc,
        accuracy=accuracy(labels, outputs),
        f_measure=counts.f_measure,
        f_beta=parts.f_beta(2),
        g_beta=parts.g_beta(2),
        challenge_metric=challenge_metric(weights, labels, outputs),
        sensitivity=counts.sensitivity,
        specificity=counts.specificity,
    )
