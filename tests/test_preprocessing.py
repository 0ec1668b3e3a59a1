"""Preprocessing: from the counts of a recording to the network's input."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg.data.lead_names import LEADS
from ecg.data.preprocessing import (
    average,
    bridge_gaps,
    demographics,
    fill_limb_leads,
    interpolate,
    network_signal,
    signal_span,
)
from ecg.data.record import INVALID
from ecg.recipe import RECIPES
from tests.conftest import noise

LIMB_LEADS = LEADS[:6]

each_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


@pytest.mark.parametrize("rate", [100, 250, 257, 300, 500, 1000])
def test_interpolation_is_linear_in_time(rate):
    counts = noise(5 * rate)
    resampled = interpolate(counts, rate, 257)
    assert resampled.shape == (12, round(5 * 257)) and resampled.dtype == np.int16
    new_times, times = np.arange(resampled.shape[1]) / 257, np.arange(counts.shape[1]) / rate
    for lead in range(12):
        np.testing.assert_allclose(resampled[lead], np.interp(new_times, times, counts[lead]), atol=0.51)


@each_recipe
def test_slow_wave_is_the_same_at_every_sampling_rate(recipe):
    waves = []
    for rate in (250, 300, 500, 1000):
        wave = 1000 * np.sin(np.tile(np.arange(10 * rate) / rate, (12, 1)))
        waves.append(network_signal(np.rint(wave).astype(np.int16), rate, recipe))
    for wave in waves[1:]:
        np.testing.assert_allclose(wave, waves[0], atol=2)


@pytest.mark.parametrize("network_rate", [100, 257])
def test_average_is_the_mean_over_the_interval_of_each_new_sample(network_rate):
    counts = np.cumsum(noise(5000) // 100, axis=1).astype(np.int16)
    fine = np.repeat(counts.astype(float), network_rate, axis=1)  # steps of 1 / (500 x network_rate) s
    means = fine.reshape(12, 10 * network_rate, 500).mean(axis=2)
    np.testing.assert_allclose(average(counts, 500, network_rate), means, atol=0.51)


def test_average_removes_frequencies_that_interpolation_would_alias():
    wave = np.rint(1000 * np.sin(2 * np.pi * 200 * np.arange(5000) / 1000)).astype(np.int16)[np.newaxis]
    assert abs(interpolate(wave, 1000, 200)).max() < 1  # sampled at its own frequency, the wave is constant:
    assert abs(interpolate(wave[:, 1:], 1000, 200)).max() > 900  # 0 or another value, depending on its phase
    assert abs(average(wave[:, 1:], 1000, 200)).max() < 1


def test_interpolation_from_1_hz_takes_little_memory():
    """A rate of 1 Hz gives 257 new samples for one."""
    counts = noise(1728)  # a hundredth of 48 hours
    tracemalloc.start()
    interpolate(counts, 1, 257)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 1728 * 257  # bytes; less than 4.5 GB for 48 hours


@pytest.mark.parametrize("resample", [average, interpolate])
@given(samples=st.integers(1, 40), rate=st.floats(1, 2000))
def test_any_length_and_rate_gives_at_least_one_sample(resample, samples, rate):
    resampled = resample(noise(samples), rate, 257)
    assert resampled.shape[1] == max(1, round(samples * 257 / rate))
    assert abs(resampled).max() <= 500


def test_gaps_are_bridged_and_never_become_spikes():
    counts = np.zeros((2, 6), np.int16)
    counts[0] = 10, INVALID, INVALID, 40, 50, INVALID
    counts[1] = INVALID
    assert bridge_gaps(counts).tolist() == [[10, 20, 30, 40, 50, 50], [0] * 6]
    assert abs(network_signal(np.full((12, 500), INVALID, np.int16), 500, RECIPES["published"])).max() == 0


@pytest.mark.parametrize("missing", [0.001, 0.1, 0.5, 0.99])
def test_gaps_are_bridged_from_all_valid_samples(missing):
    counts = noise(3000)
    counts[np.repeat(np.random.default_rng(0).random((12, 300)) < missing, 10, axis=1)] = INVALID
    times = np.arange(3000)
    for lead, bridged in zip(counts, bridge_gaps(counts)):
        valid = lead != INVALID
        expected = np.rint(np.interp(times, times[valid], lead[valid])) if valid.any() else np.zeros(3000)
        np.testing.assert_array_equal(bridged, expected)


@pytest.mark.parametrize("value", [0, 123, INVALID])
def test_silence_at_the_ends_does_not_change_the_input_of_recipe_best(value):
    counts = noise(5000)
    silence = np.full((12, 700), value, np.int16)
    expected = network_signal(counts, 500, RECIPES["best"])
    for padded in (np.hstack([counts, silence]), np.hstack([counts, np.repeat(counts[:, -1:], 700, axis=1)])):
        np.testing.assert_array_equal(network_signal(padded, 500, RECIPES["best"]), expected)
    padded = np.hstack([silence, counts, silence])
    trimmed = padded[:, signal_span(padded)]
    np.testing.assert_array_equal(trimmed[:, 1:-1] if value == 123 else trimmed, counts)
    assert network_signal(np.hstack([counts, silence]), 500, RECIPES["published"]).shape[1] > 2900


def test_one_sample_is_left_of_a_silent_recording():
    two_silences = np.hstack([np.zeros((12, 300), np.int16), np.full((12, 300), INVALID, np.int16)])
    for silent in (two_silences, two_silences[:, ::-1], np.full((12, 5000), 3, np.int16), noise(1)):
        assert silent[:, signal_span(silent)].shape == (12, 1)


def test_a_single_changing_lead_is_not_silence():
    counts = np.zeros((12, 500), np.int16)
    counts[4, 200:300] = noise(100)[0]
    assert counts[:, signal_span(counts)].shape == (12, 100)


@each_recipe
@pytest.mark.parametrize("present", list(itertools.combinations(LIMB_LEADS, 2)), ids=" ".join)
def test_two_limb_leads_give_all_six(present, recipe):
    counts = np.cumsum(noise(5000) // 100, axis=1)
    one, two = 2 * counts[:2]
    counts[:6] = one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2
    counts = counts.astype(np.int16)
    fewer = counts.copy()
    fewer[[i for i, lead in enumerate(LIMB_LEADS) if lead not in present]] = 0
    np.testing.assert_allclose(network_signal(fewer, 500, recipe), network_signal(counts, 500, recipe), atol=2)


def test_only_missing_limb_leads_are_computed_and_only_from_two_others():
    counts = noise(5000)
    np.testing.assert_array_equal(fill_limb_leads(counts), counts)  # measured leads stay, even if they are inconsistent
    for missing in ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5], [6, 11]):
        fewer = counts.copy()
        fewer[missing] = 0
        np.testing.assert_array_equal(fill_limb_leads(fewer), fewer)


def test_computed_lead_is_clipped_to_int16():
    counts = np.zeros((12, 500), np.int16)
    counts[0], counts[1] = -32000, 32000
    assert (fill_limb_leads(counts)[2] == 32767).all()


def test_age_and_sex_have_masks():
    assert demographics(50.0, "female").tolist() == [0.5, 1, 1, 0, 1]
    assert demographics(0.0, "male").tolist() == [0, 1, 0, 1, 1]
    assert demographics(None, None).tolist() == [0, 0, 0, 0, 0]
