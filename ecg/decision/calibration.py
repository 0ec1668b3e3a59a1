"""Calibration: a shift of each class's log-odds that makes the mean probability fit held-out recordings.

A network that also trains on simulated recordings expects some classes too often and others too seldom.
"""

import numpy as np

# Standard deviation of the prior of a shift: few recordings change little.
PRIOR_DEVIATION = 1.0


def calibration_shifts(p: np.ndarray, labels: np.ndarray, sources: np.ndarray, normal: int | None) -> np.ndarray:
    """The shift of each class's log-odds (classes,) that fits ``p`` to ``labels``, both (recordings, classes).

    A source that never labels a class tells nothing about it. A class stays as it is if most recordings come from such
    sources. Sinus rhythm, at index ``normal`` (None: not a class), stays too: its frequency differs between hospitals.
    ``sources`` (recordings,) names each recording's source.
    """
    labelling = np.zeros(labels.shape[1])  # recordings of the sources that label the class
    for source in set(sources):
        members = sources == source
        labelling += members.sum() * labels[members].any(axis=0)
    shifts = logit_shifts(p, labels)
    shifts[2 * labelling < len(labels)] = 0
    if normal is not None:
        shifts[normal] = 0
    return shifts


def logit_shifts(p: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The most probable shift of each class's log-odds (classes,), given the labels and a normal prior around 0.

    ``p`` and the bool ``labels`` are (recordings, classes); ``p`` must be finite.
    """
    return shifts_to(p[np.newaxis], labels.sum(axis=0), PRIOR_DEVIATION)


def shifts_to(p: np.ndarray, positives: np.ndarray, deviation: float) -> np.ndarray:
    """The shifts (classes,) of the log-odds at which the probabilities, averaged over networks, sum to ``positives``.

    A normal prior around 0 keeps the sum and its aim a little apart: by the shift divided by the prior's variance.

    Parameters
    ----------
    p : array (networks, recordings, classes)
        Finite probabilities.
    positives : array (classes,)
        The recordings with each class, found or expected.
    deviation : float
        The standard deviation of the prior: the smaller, the less a shift departs from 0.
    """
    # Imported here because it takes a third of a second, and the driver does not calibrate.
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    def shift(log_odds: np.ndarray, wanted: float) -> float:
        bound = (log_odds.shape[1] + 1) * deviation**2  # beyond it the prior outweighs all recordings
        return brentq(lambda by: expit(log_odds + by).mean(axis=0).sum() - wanted + by / deviation**2, -bound, bound)

    log_odds = logit(np.clip(p, 1e-9, 1 - 1e-9))
    return np.array([shift(log_odds[:, :, k], wanted) for k, wanted in enumerate(positives)])
