"""Label sets that can be: pairs of classes that exclude each other, and the best set without such a pair.

docs/classes.md has the same rules with their sources.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ecg.classes import abbreviation


@dataclass(frozen=True)
class Rule:
    """Each class of ``one`` excludes each class of ``other``; both hold abbreviations."""

    one: tuple[str, ...]
    other: tuple[str, ...]
    reason: str
    source: str  # a key of SOURCES


SOURCES = {  # statements and guidelines of the American Heart Association and others: name, DOI
    "Mason 2007": ("Recommendations for the ECG, part II: diagnostic statements", "10.1161/CIRCULATIONAHA.106.180201"),
    "Surawicz 2009": ("Part III: intraventricular conduction disturbances", "10.1161/CIRCULATIONAHA.108.191095"),
    "January 2014": ("Guideline for atrial fibrillation", "10.1161/CIR.0000000000000041"),
    "Page 2015": ("Guideline for supraventricular tachycardia", "10.1161/CIR.0000000000000311"),
    "Kusumoto 2018": ("Guideline for bradycardia and conduction delay", "10.1161/CIR.0000000000000628"),
}
SINUS = ("SNR", "SB", "STach", "SA")
LEFT_BLOCK = ("LBBB", "CLBBB")
RULES = (
    Rule(("SNR",), ("SB", "STach", "Brady"), "a normal rate is neither slow nor fast", "Mason 2007"),
    Rule(("STach",), ("SB", "Brady"), "a rate is not slow and fast", "Mason 2007"),
    Rule(("AF",), SINUS, "the sinus node does not drive fibrillating atria", "January 2014"),
    Rule(("AFL",), SINUS, "the sinus node does not drive fluttering atria", "Page 2015"),
    Rule(("AF",), ("AFL",), "atrial activity is chaotic or regular", "January 2014"),
    Rule(("AF", "AFL"), ("IAVB", "LPR"), "without P waves there is no PR interval", "Kusumoto 2018"),
    Rule(("AF", "AFL"), ("PAC",), "a beat is premature in a regular atrial rhythm only", "January 2014"),
    Rule(("LAD",), ("RAD",), "the axis has one direction", "Surawicz 2009"),
    Rule(("LAnFB",), ("RAD",), "the block turns the axis to the left, -45 to -90 degrees", "Surawicz 2009"),
    Rule(("CRBBB",), ("IRBBB",), "the QRS complex lasts 120 ms, or less", "Surawicz 2009"),
    Rule(
        LEFT_BLOCK,
        ("CRBBB", "IRBBB"),
        "the last part of the ventricles is the left one or the right one",
        "Surawicz 2009",
    ),
    Rule(LEFT_BLOCK, ("LAnFB",), "a fascicular block keeps the QRS complex below 120 ms", "Surawicz 2009"),
    Rule(
        ("NSIVCB",),
        (*LEFT_BLOCK, "CRBBB", "IRBBB"),
        "nonspecific: not the form of a bundle branch block",
        "Surawicz 2009",
    ),
)


def exclusions(classes: Sequence[str]) -> np.ndarray:
    """bool (classes, classes), symmetric: which of the ``classes`` (codes) exclude each other."""
    column = {abbreviation(code): index for index, code in enumerate(classes)}
    excludes = np.zeros((len(classes), len(classes)), bool)
    for rule in RULES:
        for one, other in product(rule.one, rule.other):
            if one in column and other in column:
                excludes[column[one], column[other]] = excludes[column[other], column[one]] = True
    return excludes


def impossible_pairs(outputs: np.ndarray, excludes: np.ndarray) -> np.ndarray:
    """The number of pairs of positive classes that exclude each other, (recordings,)."""
    return ((outputs @ excludes.astype(int)) * outputs).sum(axis=1) // 2


def best_sets(gains: np.ndarray, excludes: np.ndarray) -> np.ndarray:
    """The set of classes with the largest sum of ``gains`` in which no class excludes another.

    ``gains`` (recordings, classes): what a positive class adds; a class with a negative gain is never in a set. Returns
    bool (recordings, classes). The search is exact.
    """
    sets = gains >= 0
    for row in np.flatnonzero(impossible_pairs(sets, excludes)):
        sets[row] = False
        sets[row, list(_best_set(np.flatnonzero(gains[row] >= 0), gains[row], excludes))] = True
    return sets


def _best_set(members: np.ndarray, gain: np.ndarray, excludes: np.ndarray) -> tuple[int, ...]:
    """The best set among ``members``: with the member that excludes most others, or without it."""
    conflicts = excludes[np.ix_(members, members)].sum(axis=1)
    if not conflicts.any():
        return tuple(members)
    chosen = members[conflicts.argmax()]
    others = members[members != chosen]
    without = _best_set(others, gain, excludes)
    with_it = (int(chosen), *_best_set(others[~excludes[chosen, others]], gain, excludes))
    return max(without, with_it, key=lambda members: gain[list(members)].sum())
