"""The Challenge metric and the other official figures, vectorised over recordings.

Labels and outputs are boolean arrays (recordings, classes), scores are float arrays of the same shape. The classes are
the scored ones in the order of weights.csv. Each figure equals the official scorer's to 1e-12. ``sample_weight``
(recordings,) is the weight of each recording, 1 by default: a recording of weight 2 counts as two equal recordings.
"""

import math
from dataclasses import dataclass

import numpy as np

from ecg.classes import Weights


def recording_rewards(matrix: np.ndarray, labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """The reward of each recording, (recordings,): the sum over its (label, output) pairs by the size of the union."""
    union = np.maximum((labels | outputs).sum(axis=1), 1)
    return ((labels @ matrix) * outputs).sum(axis=1) / union


def reward_parts(labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """The Challenge's confusion matrix (labels, outputs). A pair in a recording counts 1 / the size of the union."""
    union = np.maximum((labels | outputs).sum(axis=1, keepdims=True), 1)
    return (labels / union).T @ outputs


def metric_parts(weights: Weights, labels: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The reward of the outputs and of the labels of each recording, each minus that of sinus rhythm, (recordings,).

    The Challenge metric is the ratio of their sums. If sinus rhythm is not one of the classes, nothing is subtracted.
    """
    always_normal = np.zeros_like(labels)
    if weights.normal is not None:
        always_normal[:, weights.normal] = True
    observed, correct, inactive = (
        recording_rewards(weights.matrix, labels, choice) for choice in (outputs, labels, always_normal)
    )
    return observed - inactive, correct - inactive


def challenge_metric(
    weights: Weights, labels: np.ndarray, outputs: np.ndarray, sample_weight: np.ndarray | None = None
) -> float:
    """The Challenge metric: rewards relative to those of perfect outputs and of sinus rhythm for every recording.

    Parameters
    ----------
    weights : Weights
        The reward matrix.
    labels, outputs : bool arrays (recordings, classes)
        The true and the predicted classes.
    sample_weight : array (recordings,), optional
        The weight of each recording, 1 by default.

    Returns
    -------
    float
        1 for outputs equal to the labels, 0 for sinus rhythm in every recording; it can be negative. 0 if all labels
        are sinus rhythm. If sinus rhythm is not one of the classes, 0 for outputs without any reward.

    Examples
    --------
    >>> from ecg.classes import load_weights
    >>> weights = load_weights()
    >>> labels = np.array([weights.encode(["164889003"]), weights.encode(["426783006"])])
    >>> challenge_metric(weights, labels, labels)
    1.0
    >>> challenge_metric(weights, labels, np.array([weights.encode(["426783006"])] * 2))
    0.0
    """
    gained, possible = (_total(part, sample_weight) for part in metric_parts(weights, labels, outputs))
    return float(gained / possible) if possible else 0.0


def _total(values: np.ndarray, sample_weight: np.ndarray | None) -> float:
    return values.sum() if sample_weight is None else sample_weight @ values


def accuracy(labels: np.ndarray, outputs: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """The fraction of recordings with every class right."""
    return float(np.average((labels == outputs).all(axis=1), weights=sample_weight))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """numerator / denominator, NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), math.nan), where=denominator != 0)


def mean(values: np.ndarray) -> float:
    """The mean of the values that are not NaN; NaN if there are none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else math.nan


@dataclass(frozen=True)
class Confusion:
    """True positives, false positives, false negatives and true negatives of each class, each (classes,)."""

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
    def ppv(self) -> np.ndarray:
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def f_measure(self) -> np.ndarray:
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def f_beta(self, beta: float) -> np.ndarray:
        return _ratio((1 + beta**2) * self.tp, (1 + beta**2) * self.tp + self.fp + beta**2 * self.fn)

    def g_beta(self, beta: float) -> np.ndarray:
        return _ratio(self.tp, self.tp + self.fp + beta * self.fn)


def confusion(
    labels: np.ndarray, outputs: np.ndarray, by_labels: bool = False, sample_weight: np.ndarray | None = None
) -> Confusion:
    """The confusion matrix of each class. ``by_labels`` divides the weight of a recording by its number of labels."""
    weight = np.ones((len(labels), 1)) if sample_weight is None else sample_weight[:, np.newaxis]
    if by_labels:
        weight = weight / np.maximum(labels.sum(axis=1, keepdims=True), 1)
    cells = (labels & outputs, ~labels & outputs, labels & ~outputs, ~labels & ~outputs)
    return Confusion(*((weight * cell).sum(axis=0) for cell in cells))


def curve(
    labels: np.ndarray, scores: np.ndarray, sample_weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """True and false positives of one class, each (thresholds,), from no recording positive to all positive.

    The thresholds are the distinct scores in descending order. Both arrays begin with 0.
    """
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    order = np.argsort(-scores)
    order = order[weight[order] > 0]
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    tp, fp = (np.cumsum((weight * part)[order])[last] for part in (labels, ~labels))
    return np.append(0, tp), np.append(0, fp)


def auroc_auprc(
    labels: np.ndarray, scores: np.ndarray, sample_weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Areas under the ROC curve and the precision-recall curve, each (classes,).

    As in the official scorer, both are NaN for a class without positives, and AUROC is NaN for one without negatives.
    """
    auroc, auprc = np.full((2, labels.shape[1]), math.nan)
    for k in range(labels.shape[1]):
        tp, fp = curve(labels[:, k], scores[:, k], sample_weight)
        if not tp[-1]:
            continue
        steps = np.diff(tp) / tp[-1]
        auprc[k] = (steps * tp[1:] / (tp + fp)[1:]).sum()
        if fp[-1]:
            specificity = 1 - fp / fp[-1]
            auroc[k] = (0.5 * steps * (specificity[1:] + specificity[:-1])).sum()
    return auroc, auprc


@dataclass(frozen=True)
class Scores:
    """All official figures and the paper's sensitivity and specificity. The arrays are (classes,)."""

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
        """The official figures by their official names, in the official order."""
        return {
            "AUROC": mean(self.auroc),
            "AUPRC": mean(self.auprc),
            "Accuracy": self.accuracy,
            "F-measure": mean(self.f_measure),
            "Fbeta-measure": mean(self.f_beta),
            "Gbeta-measure": mean(self.g_beta),
            "Challenge metric": self.challenge_metric,
        }


def score(
    weights: Weights,
    labels: np.ndarray,
    outputs: np.ndarray,
    scores: np.ndarray,
    sample_weight: np.ndarray | None = None,
) -> Scores:
    """Compute all official figures.

    Parameters
    ----------
    weights : Weights
        The reward matrix.
    labels, outputs : bool arrays (recordings, classes)
        The true and the predicted classes.
    scores : float array (recordings, classes)
        The predicted probabilities, or other scores that rank the recordings.
    sample_weight : array (recordings,), optional
        The weight of each recording, 1 by default.

    Returns
    -------
    Scores
        A figure of a class is NaN if the class does not define it, for example AUROC without a positive label.

    Examples
    --------
    >>> from ecg.classes import load_weights
    >>> weights = load_weights()
    >>> labels = np.array([weights.encode(["164889003"]), weights.encode(["426783006"])])
    >>> figures = score(weights, labels, labels, labels.astype(float)).official()
    >>> list(figures)  # doctest: +NORMALIZE_WHITESPACE
    ['AUROC', 'AUPRC', 'Accuracy', 'F-measure', 'Fbeta-measure', 'Gbeta-measure', 'Challenge metric']
    >>> figures["AUROC"], figures["Challenge metric"]
    (1.0, 1.0)
    """
    auroc, auprc = auroc_auprc(labels, scores, sample_weight)
    counts = confusion(labels, outputs, sample_weight=sample_weight)
    shares = confusion(labels, outputs, by_labels=True, sample_weight=sample_weight)
    return Scores(
        classes=weights.classes,
        auroc=auroc,
        auprc=auprc,
        accuracy=accuracy(labels, outputs, sample_weight),
        f_measure=counts.f_measure,
        f_beta=shares.f_beta(2),
        g_beta=shares.g_beta(2),
        challenge_metric=challenge_metric(weights, labels, outputs, sample_weight),
        sensitivity=counts.sensitivity,
        specificity=counts.specificity,
    )
