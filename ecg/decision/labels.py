"""Probabilities -> labels: the networks' vote by thresholds, or the label set with the highest expected metric."""

import numpy as np

from ecg.decision.expected_metric import apply_temperature, maximise_expected_metric
from ecg.decision.hospitals import Hospitals
from ecg.recipe import Recipe


def apply_thresholds(p: np.ndarray, thresholds: np.ndarray | float) -> np.ndarray:
    """Labels, bool (recordings, classes): ``p >= thresholds``, and always the most probable class (published code)."""
    labels = p >= thresholds
    labels[np.arange(len(p)), p.argmax(axis=1)] = True
    return labels


def cut_points(sorted_p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All ways to cut the ascending ``sorted_p`` in two: the number below each cut, and a threshold that makes it.

    Equal probabilities stay together. The halfway point of two neighbours may round to the lower one, which would then
    be positive too; the threshold is the upper one there.
    """
    distinct, first = np.unique(sorted_p, return_index=True)
    lower = np.append(0.0, distinct)
    upper = np.append(distinct, max(1.0, np.nextafter(lower[-1], 2)))
    middle = (lower + upper) / 2
    middle[1:] = np.where(middle[1:] > lower[1:], middle[1:], upper[1:])
    return np.append(first, len(sorted_p)), middle


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
    recipe: Recipe, rewards: np.ndarray, p: np.ndarray, thresholds: np.ndarray, hospitals: Hospitals | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The ensemble's labels, bool, and scores, both (recordings, classes), for the Challenge metric.

    ``rewards`` (classes, classes) is the Challenge's reward matrix; ``p`` and ``thresholds`` are as in ``vote``.
    ``hospitals`` are those that a recording may come from, None for the training's own.
    """
    if recipe.challenge_labels == "vote":
        return vote(p, thresholds)
    scores = p.mean(axis=0)
    return highest_expected_metric(recipe, rewards, scores, hospitals), scores


def highest_expected_metric(
    recipe: Recipe, rewards: np.ndarray, p: np.ndarray, hospitals: Hospitals | None
) -> np.ndarray:
    """Labels, bool, of the probabilities ``p``, both (recordings, classes), less confident by the recipe."""
    p = apply_temperature(p, recipe.temperature)
    return maximise_expected_metric(rewards, hospitals.mean(p) if hospitals else p)
