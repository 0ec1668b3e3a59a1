"""What a loaded model says about recordings beside their labels: answers by window, and features."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ecg import progress
from ecg.data.packed import pack
from ecg.data.preprocessing import NetworkInput, network_input, network_span
from ecg.data.record import INVALID, Record
from ecg.data.windows import covering_windows
from ecg.errors import NonFiniteError
from ecg.model.ensemble import Quantity, features, mean_over_windows, run_windows
from ecg.model.folder import Model


class WindowAnswers(NamedTuple):
    """The answers for a recording's windows, in order of time; a window shares its last part with the next one.

    A window in which no lead has two different samples (a gap, or loose electrodes) has no answer: its probabilities
    are NaN and its labels 0.
    """

    start: np.ndarray  # float (windows,): s from the first sample of the recording
    end: np.ndarray  # float (windows,)
    valid: np.ndarray  # float (windows,): the part of the samples that are not missing, 0 to 1
    labels: np.ndarray  # int (windows, classes): 0 or 1
    probabilities: np.ndarray  # float (windows, classes): the mean of the networks

    @property
    def answered(self) -> np.ndarray:
        """bool (windows,): which windows have an answer."""
        return np.isfinite(self.probabilities).all(axis=1)


def answer_by_window(model: Model, record: Record, decision: str | None = None) -> WindowAnswers:
    """Run ``model`` on each window of a recording. The labels are by ``decision``, None for the recipe's.

    Raises NonFiniteError if a probability is not finite.
    """
    recipe, rate = model.recipe, record.header.rate
    span = network_span(record.counts, recipe)
    recordings = pack([network_input(record, recipe)])
    windows = list(covering_windows(recordings.lengths, recipe))
    running = run_windows(model.probabilities, model.networks, recordings, np.zeros(1, int), recipe, model.compute)
    p = np.concatenate([p for _, p in progress.bar(running, len(windows), "running", "batches")], axis=1)
    if not np.isfinite(p).all():
        raise NonFiniteError("the networks give no finite probability; try --float32")
    labels, scores, _ = model.description.decide(p, decision)
    start = span.start / rate + np.concatenate([batch.offset for batch in windows]) / recipe.rate
    end = np.minimum(start + windows[0].samples / recipe.rate, span.stop / rate)
    states = [_signal_state(record, round(first * rate), round(last * rate)) for first, last in zip(start, end)]
    valid, alive = np.array(states).T
    silent = alive == 0
    labels, scores = labels.astype(int), scores.copy()
    labels[silent], scores[silent] = 0, np.nan
    return WindowAnswers(start, end, valid, labels, scores)


def _signal_state(record: Record, first: int, last: int) -> tuple[float, bool]:
    """The part of valid samples among those from ``first`` to ``last``, and whether any lead changes in them."""
    counts = record.counts[record.mask, first : max(last, first + 1)]
    valid = counts != INVALID
    lowest = np.where(valid, counts, -INVALID - 1).min(axis=1)
    return valid.mean(), bool((counts.max(axis=1) > lowest).any())  # INVALID is the lowest number


def recording_probabilities(model: Model, inputs: Sequence[NetworkInput]) -> np.ndarray:
    """The probabilities of network inputs (networks, recordings, classes): the mean over each one's windows.

    Raises NonFiniteError if one of them is not finite.
    """
    return _mean_of_recordings(model, inputs, model.probabilities, len(model.classes), "probability")


def recording_features(model: Model, inputs: Sequence[NetworkInput]) -> np.ndarray:
    """The features of network inputs, float32 (networks, recordings, 8 x width): the mean over each one's windows.

    Raises NonFiniteError if one of them is not finite.
    """
    size = model.networks[0].feature_size
    return _mean_of_recordings(model, inputs, features, size, "features").astype(np.float32)


def _mean_of_recordings(
    model: Model, inputs: Sequence[NetworkInput], quantity: Quantity, values: int, name: str
) -> np.ndarray:
    chosen = np.arange(len(inputs))
    batches = run_windows(quantity, model.networks, pack(inputs), chosen, model.recipe, model.compute)
    return mean_over_windows(batches, (len(model.networks), len(inputs), values), name)
