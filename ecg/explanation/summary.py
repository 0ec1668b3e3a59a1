"""The figures of an explanation: everything that the explanation page shows about one class of one recording."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ecg.data.packed import PackedRecordings
from ecg.data.preprocessing import network_input
from ecg.data.record import Record
from ecg.explanation.attribution import relevance, unit_weights, with_each_lead_zero, with_each_wave_normal
from ecg.explanation.counterfactual import NORMAL_HEARTS, WAVES, beat_centres
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
    lead_states: list[str]  # "recorded", "computed" from the other limb leads, or "missing"
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
    counts, _ = network_input(record, recipe)
    probability, *lead_probabilities = predict(with_each_lead_zero(record, recipe))[:, class_]
    wave_probabilities = predict(with_each_wave_normal(record, recipe))[1:, class_]
    relevant = relevance(networks, record, class_, recipe)
    positive = np.maximum(relevant, 0).sum(axis=1)
    states = np.where(record.mask, "recorded", np.where(counts.any(axis=1), "computed", "missing")).tolist()
    return Explanation(
        class_=class_,
        probability=probability,
        has_beats=len(beat_centres(record)) > 0,
        relevance=relevant,
        wave_probabilities=wave_probabilities.reshape(NORMAL_HEARTS, len(WAVES)).T,
        lead_probabilities=np.array(lead_probabilities),
        lead_shares=positive / max(positive.sum(), 1e-12),
        lead_states=states,
        unit_weights=unit_weights(networks[0], record, recipe),
    )
