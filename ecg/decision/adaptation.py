"""Adaptation: a model's class frequencies fitted to a hospital by few labelled recordings, or by known frequencies.

Elsewhere a class is more or less frequent, or is labelled more or less often, than where a model was trained. A shift
of the class's log-odds corrects that. The ranking of the recordings stays.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecg.decision.calibration import PRIOR_DEVIATION, shifts_to

FEWEST = 10  # recordings: fewer are refused
ENOUGH = (
    50  # recordings: from here on no draw of benchmarks/adapting.py loses at a hospital that the model does not know
)
FREQUENCY_DEVIATION = 2.0  # of the prior of a shift to a known frequency, which is surer than a counted one
LARGEST_SHIFT = 20.0  # of a class's log-odds
PARTS = 5  # of the cross-validation
DIGEST = re.compile("[0-9a-f]{64}")
FROM_LABELS, FROM_FREQUENCIES = BASES = ("labels", "known frequencies")


@dataclass(frozen=True)
class Adaptation:
    """The record of an adaptation in model.json.

    ``shifts`` (classes,) were added to the log-odds of every network. ``model`` is the digest of the model that was
    adapted, ``basis`` one of BASES, ``recordings`` how many the shifts were found on.
    """

    shifts: np.ndarray
    recordings: int
    basis: str
    model: str

    def __str__(self) -> str:
        """One line for reports and screens."""
        how = "their labels" if self.basis == FROM_LABELS else "known frequencies of the classes"
        return f"the model is adapted to a hospital by {self.recordings:,} of its recordings and {how}"

    def as_json(self, classes: Sequence[str]) -> dict[str, Any]:
        return {
            "model": self.model,
            "recordings": self.recordings,
            "basis": self.basis,
            "shifts": dict(zip(classes, self.shifts.tolist())),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], classes: Sequence[str]) -> "Adaptation":
        """What ``as_json`` wrote. Other content raises an error that Description catches."""
        shifts = np.array([float(content["shifts"][code]) for code in classes])
        recordings = content["recordings"]
        if len(content["shifts"]) != len(classes) or not (abs(shifts) <= LARGEST_SHIFT).all():
            raise ValueError("the shifts of the adaptation are not one for each class, or too large")
        if type(recordings) is not int or not 0 < recordings < 10**9 or content["basis"] not in BASES:
            raise ValueError("the adaptation does not say on how many recordings it rests, or on what")
        if not isinstance(content["model"], str) or not DIGEST.fullmatch(content["model"]):
            raise ValueError("the adaptation does not name the model that was adapted")
        return cls(shifts, recordings, content["basis"], content["model"])


def shifts_by_labels(p: np.ndarray, labels: np.ndarray, deviation: float = PRIOR_DEVIATION) -> np.ndarray:
    """The shifts (classes,) that fit a hospital's labelled recordings, less the fewer recordings there are.

    ``p`` is (networks, recordings, classes), ``labels``, bool, (recordings, classes). ``deviation`` is that of the
    shifts' prior.
    """
    return np.clip(shifts_to(p, labels.sum(axis=0), deviation), -LARGEST_SHIFT, LARGEST_SHIFT)


def shifts_by_frequencies(p: np.ndarray, frequencies: np.ndarray, deviation: float = FREQUENCY_DEVIATION) -> np.ndarray:
    """The shifts (classes,) that draw the mean probabilities to the hospital's ``frequencies`` (classes,).

    ``p`` is (networks, recordings, classes). A class whose frequency is NaN, because it is not known, stays.
    """
    known, shifts = ~np.isnan(frequencies), np.zeros(len(frequencies))
    shifts[known] = shifts_to(p[:, :, known], p.shape[1] * frequencies[known], deviation)
    return np.clip(shifts, -LARGEST_SHIFT, LARGEST_SHIFT)


def shifted(p: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """``p`` (..., classes) with its log-odds shifted by ``shifts`` (classes,)."""
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return 1 / (1 + (1 - p) / p * np.exp(-shifts))


def cross_validated(p: np.ndarray, labels: np.ndarray, moved: np.ndarray | bool = True) -> np.ndarray:
    """``p`` (networks, recordings, classes), each of PARTS random parts with shifts from the labels of the others.

    What decisions on them gain is what the adaptation gains on other recordings of the hospital. Only the ``moved``
    classes, bool (classes,), are shifted.
    """
    part_of = np.random.default_rng(0).permutation(len(labels)) % PARTS
    result = p.copy()
    for part in range(PARTS):
        here = part_of == part
        result[:, here] = shifted(p[:, here], moved * shifts_by_labels(p[:, ~here], labels[~here]))
    return result
