"""The Challenge metric and the other official figures, on whole arrays.

Labels and outputs are boolean arrays (recordings, classes), scores are float arrays of the same shape; the classes
are the 24 scored ones in the order of weights.csv. Each figure equals the official scorer's to 1e-12; only the
loops over recordings are gone.
"""

import math
from dataclasses import dataclass

import numpy as np

from ecg.classes import Weights


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
