"""The one preprocessing: what the network sees of a recording."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg.records import INVALID
from ecg.signals import close_gaps, demographics, network_input, resample, training_window, windows
from tests.conftest import noise


@pytest.mark.parametrize("rate", [100, 250, 257, 300, 500, 1000])
def test_resampling_is_linear_interpolation_in_time(rate):
    counts = noise(5 * rate)
    seen = resample(counts, rate, 257)
    assert seen.shape == (12, round(5 * 257)) and seen.dtype == np.int16
    times, grid = np.arange(seen.shape[1]) / 257, np.arange(counts.shape[1]) / rate
    for lead in range(12):
        np.testing.assert_allclose(seen[lead], np.interp(times, grid, counts[lead]), atol=0.51)


def test_a_slow_wave_is_the_same_at_every_rate():
    waves = [
        network_input(np.rint(1000 * np.sin(np.arange(10 * rate) / rate)).astype(np.int16)[np.newaxis], rate, 257)
        for rate in (250, 300, 500, 1000)
    ]
    for wave in waves[1:]:
        np.testing.assert_allclose(wave, waves[0], atol=2)


@given(st.integers(1, 40), st.floats(1, 2000))
def test_any_length_and_rate_gives_at_least_one_sample(samples, rate):
    seen = resample(noise(samples), rate, 257)
    assert seen.shape[1] == max(1, round(samples * 257 / rate))
    assert abs(seen).max() <= 500


def test_gaps_are_bridged_and_never_seen_as_spikes():
    counts = np.zeros((2, 6), np.int16)
    counts[0] = 10, INVALID, INVALID, 40, 50, INVALID
    counts[1] = INVALID
    assert close_gaps(counts).tolist() == [[10, 20, 30, 40, 50, 50], [0] * 6]
    assert abs(network_input(np.full((12, 500), INVALID, np.int16), 500, 257)).max() == 0


@given(st.integers(1, 40_000))
def test_windows_cover_every_sample_as_published(n):
    samples = np.arange(1, n + 1, dtype=np.int32)[np.newaxis]
    cut = windows(samples, 4096, 256)
    expected = 1 if n <= 4096 else int(np.ceil((n - 4096) / (4096 - 256))) + 1
    assert cut.shape == (expected, 1, 4096)
    assert set(cut.ravel().tolist()) - {0} == set(range(1, n + 1))
    assert cut[0, 0, 0] == 1
    if n > 4096:
        assert cut[-1, 0, -1] == n  # the last one is right-aligned


def test_training_windows_pad_and_crop_at_random():
    random = np.random.default_rng(0)
    short, long = np.ones((12, 100), np.int16), np.arange(5000, dtype=np.int16)[np.newaxis]
    lefts = {int(np.argmax(training_window(short, 4096, random)[0])) for _ in range(50)}
    starts = {int(training_window(long, 4096, random)[0, 0]) for _ in range(50)}
    assert len(lefts) > 40 and max(lefts) <= 3996
    assert len(starts) > 40 and max(starts) <= 904
    assert training_window(short, 4096, random).sum() == short.sum()


def test_age_and_sex_have_masks():
    assert demographics(50.0, "female").tolist() == [0.5, 1, 1, 0, 1]
    assert demographics(0.0, "male").tolist() == [0, 1, 0, 1, 1]
    assert demographics(None, None).tolist() == [0, 0, 0, 0, 0]
