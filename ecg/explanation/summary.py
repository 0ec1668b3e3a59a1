"""The figures of an explanation: everything that the explanation page shows about one class of one recording."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ecg import progress
from ecg.data.packed import PackedRecordings
from ecg.data.record import Record
from ecg.explanation.attribution import relevance, unit_weights, with_each_lead_zero, with_each_wave_normal
from ecg.explanation.counterfactual import NORMAL_HEARTS, WAVES, beat_centres
from ecg.explanation.lead_states import lead_states
from ecg.model.network import SEResNet
from ecg.recipe import Recipe


@dataclass(frozen=True)
class Explanation:
    """The explanation of one class. The arrays for leads have the order of LEADS, those for waves that of WAVES."""

    class_: int  # its column
    probability: float
    has_beats: bool  # False: no beat was found, and the counterfactuals are flat lines
    relevance: np.ndarray  # float (12, samples), see ``ecg.explanation.attribution.relevance``
    wave_probabilities: np.ndarray  # (waves, NORMAL_HEARTS): with the wave of that heart
    lead_probabilities: np.ndarray  # (12,): with the lead set to zero
    lead_shares: np.ndarray  # (12,): the lead's part of all positive relevance
    lead_states: list[str]  # see ``ecg.explanation.lead_states``
    unit_weights: list[np.ndarray]  # the first network's, one (channels,) for each block


def explain_class(
    networks: Sequence[SEResNet],
    predict: Callable[[PackedRecordings], np.ndarray],
    record: Record,
    class_: int,
    recipe: Recipe,
) -> Explanation:
    """Compute the explanation of a class.

    Parameters
    ----------
    networks : sequence of SEResNet
        The ensemble's networks, on the CPU.
    predict : callable
        Returns the ensemble's probabilities (recordings, classes) of packed recordings.
    record : Record
    class_ : int
        The column of the class.
    recipe : Recipe
        The networks' recipe.

    Returns
    -------
    Explanation
    """
    changes = (with_each_lead_zero, with_each_wave_normal)
    by_lead, by_wave = (
        predict(change(record, recipe))[:, class_] for change in progress.bar(changes, 2, "predicting", "changes")
    )
    relevant = relevance(networks, record, class_, recipe)
    positive = np.maximum(relevant, 0).sum(axis=1)
    return Explanation(
        class_=class_,
        probability=by_lead[0],
        has_beats=len(beat_centres(record)) > 0,
        relevance=relevant,
        wave_probabilities=by_wave[1:].reshape(NORMAL_HEARTS, len(WAVES)).T,
        lead_probabilities=by_lead[1:],
        lead_shares=positive / max(positive.sum(), 1e-12),
        lead_states=lead_states(record),
        unit_weights=unit_weights(networks[0], record, recipe),
    )
