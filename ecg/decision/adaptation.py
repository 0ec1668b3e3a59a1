"""Adaptation: a model's class frequencies fitted to a hospital by labels, known frequencies, or recordings alone.

Elsewhere a class is more or less frequent, or is labelled more or less often, than where a model was trained. A shift
of the class's log-odds corrects that. The ranking of the recordings stays.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecg.classes import abbreviation
from ecg.decision.calibration import PRIOR_DEVIATION, shifts_to

FEWEST = 10  # recordings: fewer are refused
ENOUGH = (
    50  # recordings: from here on no draw of benchmarks/adapting.py loses at a hospital that the model does not know
)
FREQUENCY_DEVIATION = 2.0  # of the prior of a shift to a known frequency, which is surer than a counted one
LARGEST_SHIFT = 20.0  # of a class's log-odds
# The classes that are fitted without labels. Rate and P waves define them, so hospitals label them alike. Other classes
# are labelled too differently: fitted in this way they can lose more than they gain.
RHYTHMS = ("SNR", "SB", "STach")
# Probabilities also depend on the length and noise of the recordings. So more recordings than this say no more, and a
# shift ends at the limit.
MOST_COUNTED = 50
LIMIT = 2.5
FAR = 1.0  # a shift of sinus rhythm that deserves a remark
PARTS = 5  # of the cross-validation
DIGEST = re.compile("[0-9a-f]{64}")
FROM_LABELS, FROM_FREQUENCIES, FROM_RECORDINGS = BASES = ("labels", "known frequencies", "recordings alone")
HOW = {
    FROM_LABELS: " and their labels",
    FROM_FREQUENCIES: " and known frequencies of the classes",
    FROM_RECORDINGS: ", without labels",
}


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
        return f"the model is adapted to a hospital by {self.recordings:,} of its recordings{HOW[self.basis]}"

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


def shifts_by_recordings(
    p: np.ndarray, classes: Sequence[str], usual: np.ndarray, deviation: float = PRIOR_DEVIATION
) -> np.ndarray:
    """The shifts (classes,) of a hospital, given recordings without labels: those of RHYTHMS, the others are 0.

    ``p`` is (networks, recordings, classes), ``classes`` are codes, ``usual`` (classes,) are the mean probabilities
    where the model was trained. If a class is present in a fraction f of the hospital's recordings and in a fraction u
    of the training's, a recording with probability q is q f / u + (1 - q) (1 - f) / (1 - u) times as likely there
    (Saerens, Latinne and Decaestecker, Neural Computation 2002). The shift, that of the log-odds from u to f, is the
    most probable one up to LIMIT, given a normal prior around 0.
    """
    fitted = is_rhythm(classes)
    q, u = p.mean(axis=0)[:, fitted], np.clip(usual[fitted], 1e-6, 1 - 1e-6)

    def log_likelihood(f: np.ndarray) -> np.ndarray:
        log_ratio = np.log(q * (f / u) + (1 - q) * ((1 - f) / (1 - u)))
        return min(len(q), MOST_COUNTED) * log_ratio.mean(axis=0)

    tried = np.linspace(-LIMIT, LIMIT, 101)
    log_posterior = [log_likelihood(shifted(u, shift)) - shift**2 / (2 * deviation**2) for shift in tried]
    shifts = np.zeros(len(classes))
    shifts[fitted] = tried[np.argmax(log_posterior, axis=0)]
    return shifts


def remark_on_hospital(p: np.ndarray, classes: Sequence[str], usual: np.ndarray) -> str:
    """One line if sinus rhythm is far more or less frequent than where the model was trained, "" if not.

    The arguments are those of shifts_by_recordings. Fewer than ENOUGH recordings have no remark.
    """
    normal = [k for k, code in enumerate(classes) if abbreviation(code) == "SNR"]
    if not normal or p.shape[1] < ENOUGH:
        return ""
    shift, u = shifts_by_recordings(p, classes, usual)[normal[0]], usual[normal[0]]
    if abs(shift) < FAR:
        return ""
    here, at_limit = f"{100 * shifted(u, shift):.0f} %", abs(shift) >= LIMIT
    if at_limit:
        here += " or more" if shift > 0 else " or fewer"
    doubt = ". Short or noisy recordings, or few leads, can look like that" if at_limit else ""
    return (
        f"sinus rhythm seems to be in {here} of the recordings, and was in {100 * u:.0f} % where the model was trained"
        f'{doubt}. See "Fitting a model to a hospital" in docs/guide.md'
    )


def is_rhythm(classes: Sequence[str]) -> np.ndarray:
    """bool (classes,): which of the ``classes`` (codes) are RHYTHMS."""
    return np.array([abbreviation(code) in RHYTHMS for code in classes])


def shifted(p: np.ndarray, shifts: np.ndarray | float) -> np.ndarray:
    """``p`` (..., classes) with its log-odds shifted by ``shifts`` (classes,), or all by one shift."""
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
