"""What trivial outputs score on the same recordings: a score means little unless it is far above theirs."""

from typing import NamedTuple

import numpy as np

from ecg.classes import Weights, abbreviation
from ecg.evaluation.bootstrap import metric_interval
from ecg.evaluation.metrics import challenge_metric, metric_parts


class ScoredOutputs(NamedTuple):
    """The Challenge metric of some outputs, with its 95 % interval (NaN if there is none)."""

    name: str
    metric: float
    low: float
    high: float


def score_outputs(name: str, weights: Weights, labels: np.ndarray, outputs: np.ndarray) -> ScoredOutputs:
    """Score ``outputs``; they and ``labels`` are bool (recordings, classes)."""
    interval = metric_interval(*metric_parts(weights, labels, outputs))
    return ScoredOutputs(name, challenge_metric(weights, labels, outputs), *interval)


def score_trivial_outputs(weights: Weights, labels: np.ndarray) -> list[ScoredOutputs]:
    """Score outputs that ignore the signal: the same label set for every recording."""
    label_sets, numbers = np.unique(labels, axis=0, return_counts=True)
    most_frequent = label_sets[numbers.argmax()]
    names = " + ".join(abbreviation(code) for code, is_in in zip(weights.classes, most_frequent) if is_in) or "none"
    trivial = {} if weights.normal is None else {"sinus rhythm for every recording": _only(weights, weights.normal)}
    trivial |= {
        f"the most frequent label set here ({names}) for every recording": most_frequent,
        "every class for every recording": np.ones(len(weights.classes), bool),
    }
    return [score_outputs(name, weights, labels, np.tile(row, (len(labels), 1))) for name, row in trivial.items()]


def _only(weights: Weights, column: int) -> np.ndarray:
    return np.arange(len(weights.classes)) == column
