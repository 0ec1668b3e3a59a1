"""The figures of predictions, and their 95 % confidence intervals by a bootstrap over patients or recordings.

- A resample gives each patient (each recording, if patients are not known) a random weight: the
  fractional-random-weight or Bayesian bootstrap (Xu et al., arXiv 1808.08199). All weights are positive, so every
  class that has a label in the sample has one in every resample, however rare it is.
- Recipes are compared on the same resamples, so what makes recordings hard for all recipes cancels in differences.
- Intervals are centred on the estimate. AUPRC and the calibration error are higher on a resample than on its sample,
  so a percentile interval can exclude its own estimate. An interval is about the figure expected in samples of this
  size, which for AUPRC and the calibration error is above the figure in a large sample.
- Resamples of a class with few positives vary too little, with a single positive hardly at all (narrowness bias,
  Hesterberg, arXiv 1411.5279). The deviations of macro figures are widened accordingly.

benchmarks/coverage.py compares the coverage of these intervals with that of percentile, basic and BCa intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecg import progress
from ecg.classes import Weights
from ecg.evaluation.metrics import mean, score

FIGURES = ("Challenge metric", "AUROC", "AUPRC", "F-measure", "Accuracy", "Fbeta-measure", "Gbeta-measure", "ECE")
LOWEST = np.array([-np.inf, 0, 0, 0, 0, 0, 0, 0])  # of each figure; the highest is 1
MACRO = ("AUROC", "AUPRC", "F-measure", "Fbeta-measure", "Gbeta-measure")  # means over classes that rest on positives
RESAMPLES = 501  # odd, so that the median is one of them
WIDEST = 10.0  # the largest factor of _widening
BINS = 10  # of the calibration error


@dataclass(frozen=True)
class Predictions:
    """The predictions of one or several models ("runs") for the same recordings, with the true labels.

    ``labels``: bool (recordings, classes). ``sources``: str (recordings,). ``runs``: outputs (bool) and scores of each
    model, (recordings, classes). ``patients``: str (recordings,); None if every recording has its own patient.
    """

    labels: np.ndarray
    sources: np.ndarray
    runs: Sequence[tuple[np.ndarray, np.ndarray]]
    patients: np.ndarray | None = None

    def of_source(self, source: str) -> "Predictions":
        """The predictions for the recordings of one source."""
        rows = self.sources == source
        runs = [(outputs[rows], scores[rows]) for outputs, scores in self.runs]
        patients = None if self.patients is None else self.patients[rows]
        return Predictions(self.labels[rows], self.sources[rows], runs, patients)


def figures(weights: Weights, predictions: Predictions, sample_weight: np.ndarray | None = None) -> np.ndarray:
    """The mean of each figure over the runs, (FIGURES,). NaN if no class defines a figure."""
    rows = []
    for outputs, scores in predictions.runs:
        official = score(weights, predictions.labels, outputs, scores, sample_weight).official()
        ece = calibration_error(predictions.labels, scores, sample_weight)
        rows.append([*(official[name] for name in FIGURES[:-1]), ece])
    return np.mean(rows, axis=0)


def bootstrap_figures(weights: Weights, recipes: Sequence[Predictions], seed: int = 0) -> np.ndarray:
    """Compute the figures on resamples of the patients, the same resamples for every recipe.

    Parameters
    ----------
    weights : Weights
        The reward matrix.
    recipes : sequence of Predictions
        The predictions of each recipe for the same recordings.
    seed : int
        Seed of the resamples.

    Returns
    -------
    array (RESAMPLES, recipes, FIGURES)
        Figures on the resamples, for ``interval``: centred on the estimates and widened for rare classes. NaN if a
        figure is not defined, or if there are fewer than two patients.
    """
    patient = patient_numbers(recipes[0])
    number = int(patient.max()) + 1
    rng = np.random.default_rng(seed)
    resamples = np.full((RESAMPLES, len(recipes), len(FIGURES)), np.nan)
    if number < 2:
        return resamples
    for resample in progress.bar(resamples, RESAMPLES, "bootstrap", "resamples"):
        sample_weight = rng.standard_exponential(number)[patient]
        resample[:] = [figures(weights, predictions, sample_weight) for predictions in recipes]
    estimates = np.array([figures(weights, predictions) for predictions in recipes])
    deviations = _widening(recipes[0].labels, patient) * (resamples - np.median(resamples, axis=0))
    return np.clip(estimates + deviations, LOWEST, 1)


def patient_numbers(predictions: Predictions) -> np.ndarray:
    """The patient of each recording as a number from 0 on, (recordings,)."""
    if predictions.patients is None:
        return np.arange(len(predictions.labels))
    return np.unique(predictions.patients, return_inverse=True)[1]


def _widening(labels: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """The factor for the deviations of each figure, (FIGURES,)."""
    with_class = np.array([len(np.unique(patient[label])) for label in labels.T])
    everyone = np.array([patient.max() + 1])
    return np.array([widening_factor(with_class[with_class > 0] if name in MACRO else everyone) for name in FIGURES])


def widening_factor(sizes: np.ndarray) -> float:
    """Standard error / that of the resamples, for the mean of the means of groups of ``sizes`` alike values.

    A group of n values with the variance v has a mean of variance v / n. With random weights its mean has the variance
    v (n - 1) / (n (n + 1)), on average over samples.
    """
    if not sizes.size:
        return 1.0
    true, resampled = (1 / sizes).sum(), ((sizes - 1) / (sizes * (sizes + 1))).sum()
    return float(np.sqrt(true / max(resampled, true / WIDEST**2)))


def interval(estimate: float, resamples: np.ndarray) -> tuple[float, float]:
    """The 95 % confidence interval of a figure, or of a difference of figures. It contains the estimate.

    Parameters
    ----------
    estimate : float
        The figure of the sample.
    resamples : array (resamples,)
        The figure on resamples. NaN is ignored.

    Returns
    -------
    low, high : float
        The estimate plus the 2.5 % and 97.5 % quantiles of the deviations of the resamples from their median. NaN if
        no resample is defined.

    Examples
    --------
    >>> low, high = interval(0.5, np.linspace(0.6, 0.8, 1001))
    >>> round(low, 3), round(high, 3)
    (0.405, 0.595)
    """
    defined = resamples[~np.isnan(resamples)]
    if not defined.size:
        return np.nan, np.nan
    low, median, high = np.quantile(defined, (0.025, 0.5, 0.975))
    return float(estimate + (low - median)), float(estimate + (high - median))


def metric_interval(gained: np.ndarray, possible: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the Challenge metric, by a bootstrap over the recordings.

    ``gained`` and ``possible`` (recordings,) are those of ``ecg.evaluation.metrics.metric_parts``. NaN if the metric is
    not defined, or for fewer than two recordings.
    """
    if not possible.sum() or len(gained) < 2:
        return np.nan, np.nan
    parts, rng = np.stack((gained, possible), axis=1), np.random.default_rng(0)
    resamples = np.array([rng.standard_exponential(len(parts)) @ parts for _ in range(RESAMPLES)])
    return interval(gained.sum() / possible.sum(), resamples[:, 0] / resamples[:, 1])


def reliability(
    labels: np.ndarray, scores: np.ndarray, sample_weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The number of recordings, the mean score and the fraction of positives in BINS bins of one class's score.

    ``labels`` and ``scores`` are (recordings,), each result is (BINS,).
    """
    scores = np.clip(scores, 0, 1)  # scores of another entry may not be probabilities
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    weight = np.ones(len(scores)) if sample_weight is None else sample_weight
    counts = np.bincount(bins, weight, BINS)
    divisor = np.where(counts > 0, counts, 1)
    predicted, observed = (np.bincount(bins, weight * values, BINS) / divisor for values in (scores, labels))
    return counts, predicted, observed


def calibration_error(labels: np.ndarray, scores: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """The expected calibration error (Guo et al., arXiv 1706.04599), averaged over the classes that have a label."""
    errors = []
    for label, class_scores in zip(labels.T, scores.T):
        if label.any():
            counts, predicted, observed = reliability(label, class_scores, sample_weight)
            errors.append((counts * abs(predicted - observed)).sum() / counts.sum())
    return mean(np.array(errors))
