"""The Challenge metric at every possible threshold of a class, the thresholds of the other classes being fixed.

If all other classes stay as they are, switching class k on in a recording changes the recording's reward by an amount
that does not depend on k's threshold. So with the recordings sorted by k's probability, the cumulative sum of these
amounts is the Challenge metric, up to constants, at every possible threshold. The paper's grid search reads it at the
grid's points; the exact search takes its maximum. Both are in team_code.py.
"""

import numpy as np

from ecg.classes import Weights
from ecg.decision.labels import apply_thresholds


class CoordinateAscent:
    """A coordinate ascent over the thresholds that keeps the rewards of all recordings up to date."""

    def __init__(self, weights: Weights, labels: np.ndarray, p: np.ndarray, thresholds: np.ndarray):
        self.thresholds = thresholds
        self._labels, self._p = labels, p
        self._credit = labels @ weights.matrix  # a positive class adds this to the recording's sum, before the division
        self._on = apply_thresholds(p, thresholds)
        self._earned = (self._credit * self._on).sum(axis=1)
        self._union = (labels | self._on).sum(axis=1)
        # for each class, sorted by probability: the recordings where it is not the argmax, which is always positive
        argmax = p.argmax(axis=1)
        free = [np.flatnonzero(argmax != k) for k in range(p.shape[1])]
        self._order = [rows[np.argsort(p[rows, k])] for k, rows in enumerate(free)]
        self.sorted_p = [p[rows, k] for k, rows in enumerate(self._order)]

    def improve(self, k: int, below: np.ndarray, thresholds: np.ndarray) -> bool:
        """Move class ``k`` to the best of ``thresholds`` if that improves the metric; return whether it did.

        ``below`` has, for each threshold, the number of ``sorted_p[k]`` below it.
        """
        rows = self._order[k]
        gains = np.append(0, np.cumsum(self._gain(k, rows)[::-1]))[::-1]  # gains[i]: all but the lowest i are positive
        best = int(np.argmax(gains[below]))
        now = np.searchsorted(self.sorted_p[k], self.thresholds[k], side="left")
        if gains[below[best]] <= gains[now] + 1e-9:
            return False
        before, after = self._on[rows, k], self._p[rows, k] >= thresholds[best]
        change = after.astype(int) - before
        self._earned[rows] += self._credit[rows, k] * change
        self._union[rows] += change * ~self._labels[rows, k]
        self._on[rows, k] = after
        self.thresholds[k] = thresholds[best]
        return True

    def _gain(self, k: int, rows: np.ndarray) -> np.ndarray:
        """The change of the reward of each of the recordings ``rows`` if class ``k`` is switched from off to on."""
        credit, label, on = self._credit[rows, k], self._labels[rows, k], self._on[rows, k]
        earned = self._earned[rows] - credit * on
        union = self._union[rows] - (on & ~label)
        return (earned + credit) / (union + ~label) - earned / np.maximum(union, 1)
