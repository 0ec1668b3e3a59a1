"""From probabilities to labels: the networks' vote by thresholds, or the label set of the highest expected metric."""

import numpy as np

from ecg.decision.expected_metric import apply_temperature, maximise_expected_metric
from ecg.recipe import Recipe


def apply_thresholds(p: np.ndarray, thresholds: np.ndarray | float) -> np.ndarray:
    """Labels (recordings, classes): ``p >= threshold``, and always the most probable class (published code)."""
    labels = p >= thresholds
    labels[np.arange(len(p)), p.argmax(axis=1)] = True
    return labels


def vote(p: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores (recordings, classes) of the ensemble; ``p`` (members, recordings, classes).

    Each member votes with its own ``thresholds`` (members, classes). A class with at least half of the votes is
    positive, and so is the one with the most; the score is the mean probability (published code).
    """
    votes = sum(apply_thresholds(member, row).astype(int) for member, row in zip(p, thresholds))
    scores = p.mean(axis=0)
    labels = 2 * votes >= len(p)
    most = (votes + scores / 2).argmax(axis=1)  # of several with the most votes, the most probable
    labels[np.arange(len(labels)), most] = True
    return labels, scores


def decide_labels(
    recipe: Recipe, rewards: np.ndarray, p: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores (recordings, classes) of the ensemble, by the recipe's decision; ``p`` as in ``vote``."""
    if recipe.decision == "vote":
        return vote(p, thresholds)
    scores = p.mean(axis=0)
    return maximise_expected_metric(rewards, apply_temperature(scores, recipe.temperature)), scores
