"""Probabilities that are right on average: each class's log-odds shifted, by what recordings held out show.

A network that also learns from simulated recordings expects some of their classes too often, and others too seldom.
"""

import numpy as np

# Standard deviation of what is believed of a shift before any recording is seen, so that few recordings change little.
USUAL_SHIFT = 1.0


def logit_shifts(p: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What to add to each class's log-odds, (classes,); ``p`` and the bool ``labels`` are (recordings, classes).

    The most probable shifts, given those labels and that a shift is normally distributed about 0. ``p`` must be
    numbers.
    """
    # here, because it takes a third of a second to load, and the driver has nothing to calibrate
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    def shift(log_odds: np.ndarray, positives: int) -> float:
        bound = (len(log_odds) + 1) * USUAL_SHIFT**2  # beyond it the last term of the excess outweighs the others
        return brentq(lambda by: expit(log_odds + by).sum() - positives + by / USUAL_SHIFT**2, -bound, bound)

    log_odds = logit(np.clip(p, 1e-9, 1 - 1e-9))
    return np.array([shift(of_class, label.sum()) for of_class, label in zip(log_odds.T, labels.T)])
