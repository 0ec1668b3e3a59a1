"""Probabilities for a recording whose hospital is not known: the mean over the hospitals that it may come from.

A class is more or less frequent, and labelled more or less often, at another hospital. By Bayes' rule, another
frequency of a class shifts its log-odds. Each hospital has such shifts, and a weight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_HOSPITALS = 100
LARGEST_SHIFT = 20.0  # of a class's log-odds


@dataclass(frozen=True)
class Hospitals:
    """``weights`` (hospitals,), which sum to 1, and ``shifts`` (hospitals, classes) of the log-odds."""

    weights: np.ndarray
    shifts: np.ndarray

    def mean(self, p: np.ndarray) -> np.ndarray:
        """The mean over the hospitals of ``p`` (recordings, classes), shifted to each."""
        odds_against = (1 - p) / np.clip(p, 1e-9, None)
        return sum(weight / (1 + odds_against * np.exp(-shift)) for weight, shift in zip(self.weights, self.shifts))

    def as_json(self, classes: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {"weight": weight, "shifts": dict(zip(classes, shift))}
            for weight, shift in zip(self.weights.tolist(), self.shifts.tolist())
        ]

    @classmethod
    def from_json(cls, content: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> "Hospitals":
        """What ``as_json`` wrote. Other content raises an error that Description catches."""
        if not 0 < len(content) <= MOST_HOSPITALS:
            raise ValueError(f"{len(content)} hospitals are not between 1 and {MOST_HOSPITALS}")
        weights = np.array([float(hospital["weight"]) for hospital in content])
        shifts = np.array([[float(hospital["shifts"][code]) for code in classes] for hospital in content])
        if not ((weights > 0).all() and abs(weights.sum() - 1) < 1e-6 and (abs(shifts) <= LARGEST_SHIFT).all()):
            raise ValueError("the hospitals' weights do not sum to 1, or a shift is too large")
        return cls(weights, shifts)
