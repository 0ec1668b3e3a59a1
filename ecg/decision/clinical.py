"""The clinical decision: a threshold for each class, and the most probable label set without impossible pairs.

The Challenge metric rewards labels that are probably wrong, because a wrong label costs little. The clinical decision
asks for each class whether its calibrated probability reaches a threshold that was chosen on held-out recordings.
"""

import math
from collections.abc import Sequence

import numpy as np

from ecg.classes import abbreviation
from ecg.decision.plausible import best_sets, exclusions
from ecg.recipe import Recipe

# The thresholds count the labels of the held-out recordings, and their probabilities as those of this many recordings
# with the class: a threshold that rests on few labels alone is far too high or too low by chance.
PRIOR_POSITIVES = 100


def clinical_thresholds(recipe: Recipe, labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The threshold of each class (classes,) that serves the recipe's ``clinical_target`` on held-out recordings.

    ``labels``, bool, and the calibrated probabilities ``p`` are (recordings, classes). The targets: the highest F1; the
    highest threshold with a sensitivity of ``clinical_level``; the lowest threshold with such a PPV. The threshold is
    infinite if none has it: the class is then never positive.
    """
    return np.array([_threshold(recipe, label, p[:, k]) for k, label in enumerate(labels.T)])


def _threshold(recipe: Recipe, label: np.ndarray, p: np.ndarray) -> float:
    prior = PRIOR_POSITIVES / (PRIOR_POSITIVES + label.sum())
    order = np.argsort(-p)
    sorted_p = p[order]
    true = np.cumsum((1 - prior) * label[order] + prior * sorted_p)  # expected true positives of the highest 1, 2 ...
    ends = np.flatnonzero(np.append(sorted_p[1:] < sorted_p[:-1], True))  # equal probabilities are positive together
    true, positive = true[ends], ends + 1
    if recipe.clinical_target == "f1":
        best = int(np.argmax(2 * true / (positive + true[-1])))
    else:
        reached = true / (true[-1] if recipe.clinical_target == "sensitivity" else positive) >= recipe.clinical_level
        if not reached.any():
            return math.inf
        best = int(np.flatnonzero(reached)[0 if recipe.clinical_target == "sensitivity" else -1])
    lower = sorted_p[ends[best] + 1] if ends[best] + 1 < len(p) else 0.0
    return float((sorted_p[ends[best]] + lower) / 2)


def decide_clinically(
    classes: Sequence[str], p: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The ensemble's clinical labels, bool, and scores, both (recordings, classes), and a remark on each recording.

    Parameters
    ----------
    classes : sequence of str
        Codes.
    p : array (networks, recordings, classes)
        The calibrated probabilities of each network.
    thresholds : array (classes,)
        As ``clinical_thresholds`` gives them.

    Returns
    -------
    labels, scores : arrays
        A class is positive if the mean of the networks and at least half of them reach its threshold, and it belongs to
        the best set without impossible pairs: the most probable one, if the odds of each class are divided by those of
        its threshold. The score is the mean probability.
    remarks : list of str
        "inconclusive: ..." with the reason if no class is positive; the classes that the networks disagree about; ""
        if there is nothing to say.
    """
    scores = p.mean(axis=0)
    reached = scores >= thresholds
    votes = 2 * (p >= thresholds).sum(axis=0) >= len(p)
    gains = np.where(reached & votes, _log_odds(scores) - _log_odds(thresholds), -1.0)
    labels = best_sets(gains, exclusions(classes))
    names = [abbreviation(code) for code in classes]
    remarks = []
    for row, label in enumerate(labels):
        disputed = [name for name, mean, vote in zip(names, reached[row], votes[row]) if mean != vote]
        remark = f"the networks disagree: {', '.join(disputed)}" if disputed else ""
        if not label.any():
            remark = f"inconclusive: {remark or 'no class reaches its threshold'}"
        remarks.append(remark)
    return labels, scores, remarks


def _log_odds(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.log(p / (1 - p))
