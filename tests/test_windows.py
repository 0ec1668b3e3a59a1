"""Windows: what the network sees of a recording, at what length, and in which batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecg.data.packed import PackedRecordings, pack
from ecg.data.windows import Windows, covering_windows, training_windows, window_length
from ecg.recipe import RECIPES
from tests.conftest import CPU

PUBLISHED = RECIPES["published"]
FITTING = replace(PUBLISHED, shortest_window=1024, batch=4)


def counting(lengths) -> PackedRecordings:
    """Recordings whose samples say where they are: 1, 2, 3 ... in lead 0, and 1000 x lead more in the others."""
    signals = [np.arange(1, n + 1) + 1000 * np.arange(12)[:, None] for n in lengths]
    return pack((signal.astype(np.int16), np.full(5, n, np.float32)) for signal, n in zip(signals, lengths))


@given(st.integers(1, 40_000))
def test_windows_cover_every_sample_as_published(n):
    (windows,) = covering_windows(np.array([n]), replace(PUBLISHED, batch=100))
    expected = 1 if n <= 4096 else int(np.ceil((n - 4096) / (4096 - 256))) + 1
    assert len(windows.offset) == expected and windows.samples == 4096
    covered = windows.offset[:, None] + np.arange(4096)
    assert set(range(n)) <= set(covered.ravel().tolist())
    assert windows.offset[0] == 0
    if n > 4096:
        assert covered.max() == n - 1  # the last one is right-aligned


def test_a_cut_is_what_lies_there_with_zeros_around_it():
    lengths = [50, 900, 300]
    recordings = counting(lengths)
    windows = Windows(np.array([1, 0, 2, 1]), np.array([100, -20, 250, 850]), 96)
    signals, demographics = recordings.cut(windows, CPU.device)
    assert signals.dtype == torch.float32 and signals.shape == (4, 12, 96)
    for row, (recording, offset) in enumerate(zip(windows.recording, windows.offset)):
        at = np.arange(offset, offset + 96)
        inside = (at >= 0) & (at < lengths[recording])
        for lead in range(12):
            assert signals[row, lead].tolist() == np.where(inside, at + 1 + 1000 * lead, 0).tolist()
        assert demographics[row].tolist() == [lengths[recording]] * 5


def test_the_published_recipe_pads_and_the_best_computes_nothing_it_need_not():
    lengths = np.array([1, 1000, 2570, 2592, 2593, 4000, 4096, 9000])
    assert window_length(lengths, PUBLISHED).tolist() == [4096] * 8
    assert window_length(lengths, FITTING).tolist() == [1024, 1024, 2592, 2592, 2624, 4000, 4096, 4096]


@given(st.lists(st.integers(1, 12_000), min_size=1, max_size=40))
def test_covering_windows_are_batches_of_one_length_that_cover_all(lengths):
    seen = [set() for _ in lengths]
    for windows in covering_windows(np.array(lengths), FITTING):
        assert 1 <= len(windows.recording) <= FITTING.batch
        for recording, offset in zip(windows.recording, windows.offset):
            assert windows.samples == window_length(np.array(lengths[recording]), FITTING)
            seen[recording] |= set(range(offset, min(offset + windows.samples, lengths[recording])))
    assert seen == [set(range(n)) for n in lengths]


@pytest.mark.parametrize("recipe", [PUBLISHED, FITTING], ids=["published", "fitting"])
def test_an_epoch_has_a_window_of_every_recording_and_none_looks_outside_for_nothing(recipe):
    random = np.random.default_rng(0)
    lengths = random.integers(200, 9000, 500)
    learning = np.flatnonzero(random.random(500) < 0.8)
    batches = training_windows(learning, lengths, recipe, random)
    assert sorted(np.concatenate([windows.recording for windows in batches])) == learning.tolist()
    padded = 0
    for windows in batches:
        ends, n = windows.offset + windows.samples, lengths[windows.recording]
        fits = n >= windows.samples
        assert (windows.offset[fits] >= 0).all() and (ends[fits] <= n[fits]).all()
        assert (windows.offset[~fits] <= 0).all() and (ends[~fits] >= n[~fits]).all()
        padded += (windows.samples - np.minimum(n, windows.samples)).sum()
    if recipe is FITTING:
        assert padded < 0.03 * lengths.sum()


def test_a_short_recording_does_not_shorten_those_beside_it():
    lengths = np.array([2570] * 7 + [300])
    (windows,) = training_windows(np.arange(8), lengths, replace(FITTING, batch=8), np.random.default_rng(0))
    assert windows.samples == 2592


def test_training_windows_pad_and_crop_at_random():
    offsets = {100: [], 5000: []}
    for seed in range(50):
        (windows,) = training_windows(np.arange(2), np.array([100, 5000]), PUBLISHED, np.random.default_rng(seed))
        for recording, offset in zip(windows.recording, windows.offset):
            offsets[(100, 5000)[recording]].append(int(offset))
    assert len(set(offsets[100])) > 40 and -3996 <= min(offsets[100]) < -3500 and max(offsets[100]) <= 0
    assert len(set(offsets[5000])) > 40 and min(offsets[5000]) >= 0 and 800 < max(offsets[5000]) <= 904
