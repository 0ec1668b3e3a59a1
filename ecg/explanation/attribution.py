"""Attribution: the relevance of each sample, the inputs without one lead, the squeeze-and-excite units' weights."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import torch
from captum.attr import IntegratedGradients

from ecg import progress
from ecg.data.packed import PackedRecordings, pack
from ecg.data.preprocessing import network_input, network_span
from ecg.data.record import Record
from ecg.data.windows import covering_windows
from ecg.explanation.counterfactual import NORMAL_HEARTS, WAVES, with_normal_waves
from ecg.model.network import SEResNet, SqueezeExcite
from ecg.recipe import Recipe

STEPS = 16  # of the integration, from a counterfactual to the recording
BATCH = 64  # windows that a network computes at a time, over all integration steps and counterfactuals
CPU = torch.device("cpu")


def relevance(networks: Sequence[SEResNet], record: Record, class_: int, recipe: Recipe) -> np.ndarray:
    """How much each sample raises the logit of a class, averaged over the networks.

    The method is integrated gradients (Sundararajan et al., arXiv 1703.01365) from the counterfactual recordings of
    ``ecg.explanation.counterfactual`` to the recording: the sum over the three waves, the mean over the normal hearts.
    The values on a wave add up to what the logit gains because the wave is not a normal one. Values of overlapping
    windows are averaged.

    Parameters
    ----------
    networks : sequence of SEResNet
        Networks on the CPU.
    record : Record
    class_ : int
        The column of the class.
    recipe : Recipe
        The networks' recipe.

    Returns
    -------
    ndarray
        float (12, samples of ``record``); 0 at samples that the networks do not see.
    """
    span = network_span(record.counts, recipe)
    # Trimmed here once, because a counterfactual may be silent where the recording is not.
    # One window a batch, because each has many counterfactuals. One heart a step, so that the bar moves.
    recipe = replace(recipe, trim=False, batch=1)
    recordings = with_each_wave_normal(replace(record, counts=record.counts[:, span]), recipe)
    length = int(recordings.lengths[0])
    total, visits = np.zeros((2, len(record.counts), length))
    steps = list(product(covering_windows(recordings.lengths[:1], recipe), range(NORMAL_HEARTS), networks))
    for windows, heart, network in progress.bar(steps, len(steps), "explaining", "steps"):
        signals, demographics = recordings.cut(windows, CPU)
        counterfactuals = range(1 + heart * len(WAVES), 1 + (heart + 1) * len(WAVES))
        same_windows = [replace(windows, recording=windows.recording + number) for number in counterfactuals]
        baselines = torch.cat([recordings.cut(same_window, CPU)[0] for same_window in same_windows])
        attributions = IntegratedGradients(network.eval()).attribute(
            signals.repeat(len(WAVES), 1, 1),
            baselines,
            target=class_,
            additional_forward_args=(demographics.repeat(len(WAVES), 1),),
            n_steps=STEPS,
            internal_batch_size=BATCH,
        )
        start = windows.offset[0]
        end = min(start + windows.samples, length)
        total[:, start:end] += attributions.sum(dim=0).numpy()[:, : end - start]
        visits[:, start:end] += 1
    return _at_record_rate(total / np.maximum(visits, 1), record.counts.shape, span)


def _at_record_rate(values: np.ndarray, shape: tuple[int, ...], span: slice) -> np.ndarray:
    """Resample ``values`` (leads, network samples) to ``shape`` (leads, record samples) and keep each lead's sum.

    The network saw the ``span`` of the record's samples; the others are 0.
    """
    network_edges = np.arange(values.shape[1] + 1)
    record_edges = np.linspace(0, values.shape[1], span.stop - span.start + 1)
    resampled = np.zeros(shape)
    for row, sums in zip(resampled, np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)):
        row[span] = np.diff(np.interp(record_edges, network_edges, sums))
    return resampled


def with_each_wave_normal(record: Record, recipe: Recipe) -> PackedRecordings:
    """The network's inputs for the recording and, after it, for all its counterfactuals."""
    inputs = [network_input(record, recipe)]
    inputs += [network_input(counterfactual, recipe) for _, counterfactual in with_normal_waves(record)]
    return pack(inputs)


def with_each_lead_zero(record: Record, recipe: Recipe) -> PackedRecordings:
    """The network's inputs for the recording and, after it, for the recording with each of the 12 leads set to zero."""
    counts, demographics = network_input(record, recipe)
    inputs = [(counts, demographics)]
    for lead in range(len(counts)):
        without_lead = counts.copy()
        without_lead[lead] = 0
        inputs.append((without_lead, demographics))
    return pack(inputs)


@torch.inference_mode()
def unit_weights(network: SEResNet, record: Record, recipe: Recipe) -> list[np.ndarray]:
    """The channel weights (channels,), 0 to 1, of each block's squeeze-and-excite unit, averaged over the windows."""
    units = [module for module in network.modules() if isinstance(module, SqueezeExcite)]
    weights: list[list[np.ndarray]] = [[] for _ in units]
    hooks = [
        unit.weigh.register_forward_hook(lambda _module, _input, output, kept=kept: kept.append(output.numpy()))
        for unit, kept in zip(units, weights)
    ]
    try:
        recordings = pack([network_input(record, recipe)])
        for windows in covering_windows(recordings.lengths, recipe):
            network.eval()(*recordings.cut(windows, CPU))
    finally:
        for hook in hooks:
            hook.remove()
    return [np.concatenate(of_unit).mean(axis=0) for of_unit in weights]
