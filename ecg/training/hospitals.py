"""The hospitals that a recording may come from: one like the training's own, or one like a source of the Challenge."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from ecg.classes import ABBREVIATIONS, Weights
from ecg.decision.hospitals import LARGEST_SHIFT, Hospitals
from ecg.evaluation.metrics import metric_parts
from ecg.recipe import Recipe
from ecg.simulation.cases import label_sets, simulated_classes

SOURCES = ("A", "E", "HR", "Q")  # the Challenge's sources with a thousand labelled recordings or more
# A shift is this part of the difference of the log-odds, because a network recognises part of it by the signals.
PART = 0.5


def likely_hospitals(
    recipe: Recipe, weights: Weights, labels: np.ndarray, left_out: Collection[str] = ()
) -> Hospitals | None:
    """The hospitals of a training on recordings with ``labels``, bool (recordings, classes); None if there is only one.

    With the recipe's probability ``elsewhere`` a recording comes from a hospital like one of SOURCES, which are equally
    probable. A validation leaves out sources that its model must know nothing of (``left_out``). A hospital's weight is
    its probability divided by the range of the Challenge metric there, from sinus rhythm only to perfect outputs. The
    shifts follow from the frequencies of the classes. A class that the sources do not have is not shifted.
    """
    known = simulated_classes(weights)
    if not recipe.elsewhere or weights.normal is None or not known[weights.normal]:
        return None
    home = _Frequencies.of(weights, labels, np.ones(len(labels)))
    sources = [_of_source(weights, source) for source in SOURCES if source not in left_out]
    if not sources or min(hospital.possible for hospital in (home, *sources)) <= 0:
        return None  # nothing but sinus rhythm has no metric to divide by
    share = [1 - recipe.elsewhere] + [recipe.elsewhere / len(sources)] * len(sources)
    weight = np.array(share) / [hospital.possible for hospital in (home, *sources)]
    shifts = [PART * known * (hospital.log_odds - home.log_odds) for hospital in (home, *sources)]
    return Hospitals(weight / weight.sum(), np.clip(shifts, -LARGEST_SHIFT, LARGEST_SHIFT))


@dataclass(frozen=True)
class _Frequencies:
    log_odds: np.ndarray  # (classes,) of the frequencies
    possible: float  # the rewards of perfect outputs less those of sinus rhythm, per recording

    @classmethod
    def of(cls, weights: Weights, labels: np.ndarray, recordings: np.ndarray) -> "_Frequencies":
        """Those of label sets, bool (sets, classes), each with its number of ``recordings`` (sets,)."""
        positives, total = recordings @ labels + 0.5, recordings.sum() + 1
        _, possible = metric_parts(weights, labels, labels)
        return cls(np.log(positives / (total - positives)), float(recordings @ possible / recordings.sum()))


def _of_source(weights: Weights, source: str) -> _Frequencies:
    sets = [label_set for label_set in label_sets() if label_set.source == source]
    labels = np.array([weights.encode(_codes(label_set.labels)) for label_set in sets])
    return _Frequencies.of(weights, labels, np.array([label_set.recordings for label_set in sets], float))


def _codes(labels: Collection[str]) -> Iterable[str]:
    return (code for code, name in ABBREVIATIONS.items() if name in labels)
