"""The label set of the highest expected Challenge metric, for each recording: where thresholds are the same for all.

The metric is the sum of what the recordings earn, up to two constants, so each recording may be decided by itself: with
probabilities p of its classes, taken as independent, the labels x are drawn, and the outputs y earn

    E[ sum of w_ij over i in x, j in y, divided by the size of (x or y) ].

The size is |y| plus how many of the classes outside y are in x. As 1/n is the integral of t^(n-1) over 0 to 1, and the
mean of t^x_i is q_i(t) = 1 - p_i + p_i t, the expectation is the integral of a polynomial of t: the points of Gauss and
Legendre give it exactly, without a sum over the 2^24 sets of labels.
"""

import numpy as np

AT_ONCE = 1000  # recordings
LEAST_GAIN = 1e-12  # more than the arithmetic's error, so that no climb goes round in circles


def apply_temperature(p: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities ``p``, their log-odds divided by ``temperature``: above 1 they are less sure, below 1 surer."""
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return 1 / (1 + ((1 - p) / p) ** (1 / temperature))


def expected_rewards(matrix: np.ndarray, p: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """What each recording is expected to earn (recordings,): ``matrix`` is the rewards, (classes, classes).

    ``p`` and the bool ``outputs`` are (recordings, classes). Without a positive output it is 0.
    """
    classes = len(matrix)
    nodes, node_weights = np.polynomial.legendre.leggauss(classes // 2 + 1)  # exact up to degree ``classes``
    t, node_weights = (nodes + 1) / 2, node_weights / 2
    size = outputs.sum(axis=1)
    worth = p * (outputs @ matrix.T)  # of each class its probability times what the outputs earn if it is true
    inside = (worth * outputs).sum(axis=1)
    total = np.zeros(len(p))
    for at, weight in zip(t, node_weights):
        q = np.where(outputs, 1, 1 - p * (1 - at))  # of the classes outside alone
        outside = (worth * ~outputs / q).sum(axis=1)
        total += weight * at ** np.maximum(size - 1, 0) * q.prod(axis=1) * (inside + at * outside)
    return np.where(size > 0, total, 0)


def maximise_expected_metric(matrix: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Labels (recordings, classes) of the highest expected reward that changing one class at a time leads to.

    From the best single class on; no recording is left without a label.
    """
    parts = [_climb(matrix, p[start : start + AT_ONCE]) for start in range(0, len(p), AT_ONCE)]
    return np.concatenate(parts) if parts else np.zeros(p.shape, bool)


def _climb(matrix: np.ndarray, p: np.ndarray) -> np.ndarray:
    recordings, classes = p.shape
    one = np.eye(classes, dtype=bool)
    outputs, reached = np.zeros(p.shape, bool), np.full(recordings, -np.inf)
    climbing = np.arange(recordings)
    while len(climbing):
        changed = outputs[climbing, np.newaxis] ^ one  # (climbing, classes, classes): each with one class changed
        rewards = expected_rewards(matrix, np.repeat(p[climbing], classes, axis=0), changed.reshape(-1, classes))
        rewards = np.where(changed.any(axis=2), rewards.reshape(-1, classes), -np.inf)
        best = rewards.argmax(axis=1)
        highest = rewards[np.arange(len(best)), best]
        better = highest > reached[climbing] + LEAST_GAIN
        climbing, best = climbing[better], best[better]
        outputs[climbing, best] ^= True
        reached[climbing] = highest[better]
    return outputs
