"""For each recording, the label set with the highest expected Challenge metric.

Up to two constants, the metric is the sum of the recordings' rewards, so each recording can be decided by itself. Its
classes are taken as independent with probabilities p. For random labels x, the outputs y have the expected reward

    E[ sum of w_ij over i in x, j in y, divided by the size of (x or y) ].

The size is |y| plus the number of classes of x outside y. Since 1/n is the integral of t^(n-1) over 0 to 1, and the
mean of t^x_i is q_i(t) = 1 - p_i + p_i t, the expectation is the integral of a polynomial in t. Gauss-Legendre
quadrature gives it exactly, without a sum over the 2^24 label sets.
"""

from functools import cache

import numpy as np

AT_ONCE = 1000  # recordings
LEAST_GAIN = 1e-12  # above the rounding error, so that no search runs in circles


def apply_temperature(p: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the log-odds of ``p`` by ``temperature``: above 1 makes the probabilities less confident."""
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return 1 / (1 + ((1 - p) / p) ** (1 / temperature))


def expected_rewards(matrix: np.ndarray, p: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """The expected reward of each recording (recordings,), 0 without a positive output.

    ``matrix`` is the reward matrix (classes, classes); ``p`` and the bool ``outputs`` are (recordings, classes).
    """
    classes = len(matrix)
    t, node_weights = _quadrature(classes)
    size = outputs.sum(axis=1)
    value = p * (outputs @ matrix.T)  # each class's probability times the outputs' reward if the class is true
    inside = (value * outputs).sum(axis=1)
    total = np.zeros(len(p))
    for at, weight in zip(t, node_weights):
        q = np.where(outputs, 1, 1 - p * (1 - at))  # only of the classes outside the outputs
        outside = (value * ~outputs / q).sum(axis=1)
        total += weight * at ** np.maximum(size - 1, 0) * q.prod(axis=1) * (inside + at * outside)
    return np.where(size > 0, total, 0)


@cache
def _quadrature(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on 0 to 1, exact for polynomials up to ``degree``."""
    nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    return (nodes + 1) / 2, weights / 2


def maximise_expected_metric(matrix: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Labels, bool (recordings, classes), found by changing one class at a time while the expected reward rises.

    The search starts at the best single class, so every recording has a label.
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
