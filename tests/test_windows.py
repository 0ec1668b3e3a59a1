"""Windows: the pieces of recordings that the network sees, their lengths, and their batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecg.data.packed import pack
from ecg.data.windows import Windows, covering_windows, training_windows, window_length
from ecg.recipe import RECIPES
from tests.conftest import CPU

PUBLISHED = RECIPES["published"]
FITTING = replace(PUBLISHED, shortest_window=1024, batch=4)  # windows as long as their recordings


@given(st.integers(1, 40_000))
def test_windows_cover_every_sample_as_published(samples):
    (windows,) = covering_windows(np.array([samples]), replace(PUBLISHED, batch=100))
    expected = 1 if samples <= 4096 else int(np.ceil((samples - 4096) / (4096 - 256))) + 1
    assert len(windows.offset) == expected and windows.samples == 4096
    covered = windows.offset[:, None] + np.arange(4096)
    assert set(range(samples)) <= set(covered.ravel().tolist())
    assert windows.offset[0] == 0
    if samples > 4096:
        assert covered.max() == samples - 1  # the last one is right-aligned


def test_cut_returns_the_samples_of_each_window_and_zeros_outside_its_recording():
    lengths = [50, 900, 300]
    inputs = []
    for length in lengths:  # each sample holds its position from 1 on, plus 1000 x lead
        signal = np.arange(1, length + 1) + 1000 * np.arange(12)[:, None]
        inputs.append((signal.astype(np.int16), np.full(5, length, np.float32)))
    windows = Windows(np.array([1, 0, 2, 1]), np.array([100, -20, 250, 850]), 96)
    signals, demographics = pack(inputs).cut(windows, CPU.device)
    assert signals.dtype == torch.float32 and signals.shape == (4, 12, 96)
    for row, (recording, offset) in enumerate(zip(windows.recording, windows.offset)):
        position = np.arange(offset, offset + 96)
        inside = (position >= 0) & (position < lengths[recording])
        for lead in range(12):
            assert signals[row, lead].tolist() == np.where(inside, position + 1 + 1000 * lead, 0).tolist()
        assert demographics[row].tolist() == [lengths[recording]] * 5


def test_window_length_is_fixed_as_published_or_fits_the_recording():
    lengths = np.array([1, 1000, 2570, 2592, 2593, 4000, 4096, 9000])
    assert window_length(lengths, PUBLISHED).tolist() == [4096] * 8
    assert window_length(lengths, FITTING).tolist() == [1024, 1024, 2592, 2592, 2624, 4000, 4096, 4096]


@given(st.lists(st.integers(1, 12_000), min_size=1, max_size=40))
def test_covering_batches_have_one_window_length_and_cover_every_recording(lengths):
    covered = [set() for _ in lengths]
    for windows in covering_windows(np.array(lengths), FITTING):
        assert 1 <= len(windows.recording) <= FITTING.batch
        for recording, offset in zip(windows.recording, windows.offset):
            assert windows.samples == window_length(np.array(lengths[recording]), FITTING)
            covered[recording] |= set(range(offset, min(offset + windows.samples, lengths[recording])))
    assert covered == [set(range(length)) for length in lengths]


@pytest.mark.parametrize("recipe", [PUBLISHED, FITTING], ids=["published", "fitting"])
def test_an_epoch_has_one_window_of_every_recording_and_pads_no_more_than_needed(recipe):
    random = np.random.default_rng(0)
    lengths = random.integers(200, 9000, 500)
    train = np.flatnonzero(random.random(500) < 0.8)
    batches = training_windows(train, lengths, recipe, random)
    assert sorted(np.concatenate([windows.recording for windows in batches])) == train.tolist()
    padded = 0
    for windows in batches:
        ends, length = windows.offset + windows.samples, lengths[windows.recording]
        crops = length >= windows.samples
        assert (windows.offset[crops] >= 0).all() and (ends[crops] <= length[crops]).all()
        assert (windows.offset[~crops] <= 0).all() and (ends[~crops] >= length[~crops]).all()
        padded += (windows.samples - np.minimum(length, windows.samples)).sum()
    if recipe is FITTING:
        assert padded < 0.03 * lengths.sum()


def test_short_recording_does_not_shorten_the_windows_of_its_batch():
    lengths = np.array([2570] * 7 + [300])
    (windows,) = training_windows(np.arange(8), lengths, replace(FITTING, batch=8), np.random.default_rng(0))
    assert windows.samples == 2592


def test_training_windows_are_padded_and_cropped_at_random():
    lengths, offsets = np.array([100, 5000]), {0: [], 1: []}
    for seed in range(50):
        (windows,) = training_windows(np.arange(2), lengths, PUBLISHED, np.random.default_rng(seed))
        for recording, offset in zip(windows.recording, windows.offset):
            offsets[recording].append(int(offset))
    padded, cropped = offsets.values()
    assert len(set(padded)) > 40 and -3996 <= min(padded) < -3500 and max(padded) <= 0
    assert len(set(cropped)) > 40 and min(cropped) >= 0 and 800 < max(cropped) <= 904
