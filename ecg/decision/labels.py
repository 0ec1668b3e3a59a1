"""Probabilities -> labels: the networks' vote by thresholds, or the label set with the highest expected metric."""

import numpy as np

from ecg.decision.expected_metric import apply_temperature, maximise_expected_metric
from ecg.recipe import Recipe


def apply_thresholds(p: np.ndarray, thresholds: np.ndarray | float) -> np.ndarray:
    """Labels, bool (recordings, classes): ``p >= thresholds``, and always the most probable class (published code)."""
    labels = p >= thresholds
    labels[np.arange(len(p)), p.argmax(axis=1)] = True
    return labels


def vote(p: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ensemble's labels, bool, and scores, both (recordings, classes), by vote (published code).

    ``p`` has the shape (networks, recordings, classes), ``thresholds`` (networks, classes): each network votes with its
    own thresholds. A class is positive if at least half of the networks vote for it, and so is the class with the most
    votes. The score is the mean probability.
    """
    votes = np.sum([apply_thresholds(network, row) for network, row in zip(p, thresholds)], axis=0)
    scores = p.mean(axis=0)
    labels = 2 * votes >= len(p)
    most = (votes + scores / 2).argmax(axis=1)  # the most probable of several classes with the most votes
    labels[np.arange(len(labels)), most] = True
    return labels, scores


def decide_labels(
    recipe: Recipe, rewards: np.ndarray, p: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The ensemble's labels, bool, and scores, both (recordings, classes), by the recipe's decision.

    ``rewards`` (classes, classes) is the Challenge's reward matrix; ``p`` and ``thresholds`` are as in ``vote``.
    """
    if recipe.decision == "vote":
        return vote(p, thresholds)
    scores = p.mean(axis=0)
    return maximise_expected_metric(rewards, apply_temperature(scores, recipe.temperature)), scores
