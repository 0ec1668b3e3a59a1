"""Why a network said so: where in leads and time, which leads it needs, what its squeeze-and-excite units do."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from captum.attr import IntegratedGradients
from scipy.ndimage import gaussian_filter1d

from ecg.data.packed import PackedRecordings, pack
from ecg.data.preprocessing import network_input, signal_span
from ecg.data.record import Record
from ecg.data.windows import covering_windows
from ecg.explanation.counterfactual import HEARTS, with_normal_waves
from ecg.model.network import SEResNet, SqueezeExcite
from ecg.progress import bar
from ecg.recipe import Recipe

STEPS = 16  # from the counterpart to the recording
AT_ONCE = 64  # of these, of all counterparts together
SMOOTHING = 0.02  # s
STRONGEST = 0.995  # the part of all samples whose relevance is below 1


def relevance(networks: Sequence[SEResNet], record: Record, class_: int, recipe: Recipe) -> np.ndarray:
    """float (12, samples of the record): how much each sample speaks for the class, the mean over the networks.

    Integrated gradients (Sundararajan et al., arXiv 1703.01365) of the class's logit to the recording, from the same
    recording with another's P waves, from that with another's QRS, and from that with another's ST and T, each the mean
    over the counterparts (``ecg.explanation.counterfactual``). On a wave they sum up to what its being this one adds to
    the logit; where windows overlap stands their mean.
    """
    inside = signal_span(record.counts) if recipe.trim else slice(0, record.counts.shape[1])
    # A counterpart may be silent where the recording is not; and each window has many counterparts.
    whole = replace(recipe, trim=False, batch=1)
    seen = replace(record, counts=record.counts[:, inside])
    recordings = with_each_wave_normal(seen, whole)
    others = range(1, len(recordings.lengths))
    length = int(recordings.lengths[0])
    total, times_seen = np.zeros((2, len(record.counts), length))
    in_turn = list(covering_windows(recordings.lengths[:1], whole))
    for windows in bar(in_turn, len(in_turn), "explaining", "windows"):
        here, told = recordings.cut(windows, torch.device("cpu"))
        elsewhere = [replace(windows, recording=windows.recording + other) for other in others]
        from_others = torch.cat([recordings.cut(place, torch.device("cpu"))[0] for place in elsewhere])
        for network in networks:
            parts = IntegratedGradients(network.eval()).attribute(
                here.repeat(len(others), 1, 1),
                from_others,
                target=class_,
                additional_forward_args=(told.repeat(len(others), 1),),
                n_steps=STEPS,
                internal_batch_size=AT_ONCE,
            )
            offset = windows.offset[0]
            end = min(offset + windows.samples, length)
            total[:, offset:end] += parts.sum(dim=0).numpy()[:, : end - offset]
            times_seen[:, offset:end] += 1
    return _at_the_records_rate(total / np.maximum(times_seen, 1) / HEARTS, record.counts.shape, inside)


def _at_the_records_rate(values: np.ndarray, shape: tuple[int, int], inside: slice) -> np.ndarray:
    """``values`` (leads, samples the network saw) at the record's samples: 0 where it saw nothing; the sum is kept."""
    there = np.arange(values.shape[1] + 1)
    edges = np.linspace(0, values.shape[1], inside.stop - inside.start + 1)
    spread = np.zeros(shape)
    for row, sums in zip(spread, np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)):
        row[inside] = np.diff(np.interp(edges, there, sums))
    return spread


def shading(relevant: np.ndarray, rate: float) -> np.ndarray:
    """What speaks for the class, smoothed, from 0 to 1, as ``ecg.report.paper`` draws it."""
    smooth = gaussian_filter1d(np.maximum(relevant, 0), max(SMOOTHING * rate, 0.5), axis=1)
    highest = np.quantile(smooth, STRONGEST)
    return np.clip(smooth / highest, 0, 1) if highest > 0 else np.zeros_like(smooth)


def with_each_wave_normal(record: Record, recipe: Recipe) -> PackedRecordings:
    """The recording, and behind it as ``ecg.explanation.counterfactual.with_normal_waves`` exchanges its waves."""
    views = [network_input(record, recipe)]
    views += [network_input(other, recipe) for _, other in with_normal_waves(record)]
    return pack(views)


def with_each_lead_zero(record: Record, recipe: Recipe) -> PackedRecordings:
    """The recording, and behind it as the networks would see it with zeros in each of the twelve leads."""
    counts, demographics = network_input(record, recipe)
    views = [counts] + [np.where(np.arange(len(counts))[:, None] == lead, 0, counts) for lead in range(len(counts))]
    return pack((view.astype(np.int16), demographics) for view in views)


@torch.inference_mode()
def unit_weights(network: SEResNet, record: Record, recipe: Recipe) -> list[np.ndarray]:
    """Of each block's squeeze-and-excite unit the weights (channels,), 0 to 1: the mean over the windows."""
    units = [module for module in network.modules() if isinstance(module, SqueezeExcite)]
    told: list[list[np.ndarray]] = [[] for _ in units]
    hooks = [
        unit.weigh.register_forward_hook(lambda _module, _seen, weights, place=place: place.append(weights.numpy()))
        for unit, place in zip(units, told)
    ]
    try:
        recordings = pack([network_input(record, recipe)])
        for windows in covering_windows(recordings.lengths, recipe):
            network.eval()(*recordings.cut(windows, torch.device("cpu")))
    finally:
        for hook in hooks:
            hook.remove()
    return [np.concatenate(weights).mean(axis=0) for weights in told]
