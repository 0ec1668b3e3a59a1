"""What a recipe is worth: the figures of answers on recordings that took no part in making them, and how sure they are.

The intervals are of a bootstrap over recordings, or over patients where these are known, as a patient's recordings are
much alike: how the figures would vary with others of the same kind. Recipes are compared on the same resamples, so what
makes recordings hard falls out of their difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecg import progress
from ecg.classes import Weights
from ecg.evaluation.metrics import mean, score

FIGURES = ("Challenge metric", "AUROC", "AUPRC", "F-measure", "Accuracy", "Fbeta-measure", "Gbeta-measure", "ECE")
RESAMPLES = 500
BINS = 10  # of the calibration error


@dataclass(frozen=True)
class Predictions:
    """Of the same recordings the ``labels``, bool (recordings, classes), and what several trainings said of them."""

    labels: np.ndarray
    sources: np.ndarray  # str (recordings,)
    runs: Sequence[tuple[np.ndarray, np.ndarray]]  # outputs, bool, and scores, both (recordings, classes)
    patients: np.ndarray | None = None  # str (recordings,); None: each recording is of another

    def of(self, source: str) -> "Predictions":
        here = self.sources == source
        runs = [(outputs[here], scores[here]) for outputs, scores in self.runs]
        patients = None if self.patients is None else self.patients[here]
        return Predictions(self.labels[here], self.sources[here], runs, patients)


def figures(weights: Weights, answers: Predictions, chosen: np.ndarray | slice = slice(None)) -> np.ndarray:
    """(FIGURES,): of the ``chosen`` recordings, the mean over the runs; NaN where no class defines one."""
    labels = answers.labels[chosen]
    rows = []
    for outputs, scores in answers.runs:
        official = score(weights, labels, outputs[chosen], scores[chosen]).official()
        rows.append([*(official[name] for name in FIGURES[:-1]), calibration_error(labels, scores[chosen])])
    return np.mean(rows, axis=0)


def bootstrap_figures(weights: Weights, recipes: Sequence[Predictions], seed: int = 0) -> np.ndarray:
    """(RESAMPLES, recipes, FIGURES): the figures of patients drawn with replacement, the same for every recipe."""
    random, of_patients = np.random.default_rng(seed), _of_patients(recipes[0])
    drawn = []
    for _ in progress.bar(range(RESAMPLES), RESAMPLES, "bootstrap", "resamples"):
        chosen = random.integers(0, len(of_patients), len(of_patients))
        draw = np.concatenate([of_patients[patient] for patient in chosen])
        drawn.append([figures(weights, answers, draw) for answers in recipes])
    return np.array(drawn)


def _of_patients(answers: Predictions) -> list[np.ndarray]:
    """Of each patient the recordings (indices)."""
    if answers.patients is None:
        return list(np.arange(len(answers.labels))[:, np.newaxis])
    _, patient, counts = np.unique(answers.patients, return_inverse=True, return_counts=True)
    return np.split(np.argsort(patient, kind="stable"), np.cumsum(counts)[:-1])


def interval(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the defined ``values``; NaN where none is."""
    defined = values[~np.isnan(values)]
    return tuple(np.quantile(defined, (0.025, 0.975))) if defined.size else (np.nan, np.nan)


def reliability(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of one class in BINS bins of its score, each (bins,): recordings, their mean score, the part that is positive."""
    scores = np.clip(scores, 0, 1)  # another entry's may be no probabilities
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    below = np.maximum(counts, 1)
    return counts, np.bincount(bins, scores, BINS) / below, np.bincount(bins, labels, BINS) / below


def calibration_error(labels: np.ndarray, scores: np.ndarray) -> float:
    """The expected calibration error (Guo et al., arXiv 1706.04599) of each class, and of those the mean."""
    errors = []
    for label, score_ in zip(labels.T, scores.T):
        if label.any():
            counts, said, is_so = reliability(label, score_)
            errors.append((counts * abs(said - is_so)).sum() / counts.sum())
    return mean(np.array(errors))
