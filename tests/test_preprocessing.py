"""The one preprocessing: what the network sees of a recording."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg.data.preprocessing import (
    average,
    bridge_gaps,
    demographics,
    fill_limb_leads,
    interpolate,
    network_signal,
    trim_silence,
)
from ecg.data.record import INVALID, LEADS
from ecg.recipe import RECIPES
from tests.conftest import noise


@pytest.mark.parametrize("rate", [100, 250, 257, 300, 500, 1000])
def test_resampling_is_linear_interpolation_in_time(rate):
    counts = noise(5 * rate)
    seen = interpolate(counts, rate, 257)
    assert seen.shape == (12, round(5 * 257)) and seen.dtype == np.int16
    times, grid = np.arange(seen.shape[1]) / 257, np.arange(counts.shape[1]) / rate
    for lead in range(12):
        np.testing.assert_allclose(seen[lead], np.interp(times, grid, counts[lead]), atol=0.51)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_slow_wave_is_the_same_at_every_rate(recipe):
    waves = [
        network_signal(
            np.rint(1000 * np.sin(np.tile(np.arange(10 * rate) / rate, (12, 1)))).astype(np.int16), rate, recipe
        )
        for rate in (250, 300, 500, 1000)
    ]
    for wave in waves[1:]:
        np.testing.assert_allclose(wave, waves[0], atol=2)


@pytest.mark.parametrize("network_rate", [100, 257])
def test_an_average_is_the_mean_of_each_samples_own_stretch(network_rate):
    counts = np.cumsum(noise(5000) // 100, axis=1).astype(np.int16)
    fine = np.repeat(counts.astype(float), network_rate, axis=1)  # steps of 1 / (500 x network_rate) s
    stretches = fine.reshape(12, 10 * network_rate, 500).mean(axis=2)
    np.testing.assert_allclose(average(counts, 500, network_rate), stretches, atol=0.51)


def test_an_average_removes_what_the_network_is_too_slow_for():
    mains = np.rint(1000 * np.sin(2 * np.pi * 200 * np.arange(5000) / 1000)).astype(np.int16)[np.newaxis]
    assert abs(interpolate(mains, 1000, 200)).max() < 1  # 200 Hz seen 200 times a second: stands still
    assert abs(interpolate(mains[:, 1:], 1000, 200)).max() > 900  # or as an offset
    assert abs(average(mains[:, 1:], 1000, 200)).max() < 1


def test_two_days_at_one_hertz_take_little_memory():
    """What a header of 1 Hz asks for: 257 samples for one."""
    counts = noise(1728)  # a hundredth of 48 hours
    tracemalloc.start()
    interpolate(counts, 1, 257)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 1728 * 257 * 1  # bytes: the whole would take less than 4.5 GB


@pytest.mark.parametrize("resample", [average, interpolate])
@given(samples=st.integers(1, 40), rate=st.floats(1, 2000))
def test_any_length_and_rate_gives_at_least_one_sample(resample, samples, rate):
    seen = resample(noise(samples), rate, 257)
    assert seen.shape[1] == max(1, round(samples * 257 / rate))
    assert abs(seen).max() <= 500


def test_gaps_are_bridged_and_never_seen_as_spikes():
    counts = np.zeros((2, 6), np.int16)
    counts[0] = 10, INVALID, INVALID, 40, 50, INVALID
    counts[1] = INVALID
    assert bridge_gaps(counts).tolist() == [[10, 20, 30, 40, 50, 50], [0] * 6]
    assert abs(network_signal(np.full((12, 500), INVALID, np.int16), 500, RECIPES["published"])).max() == 0


@pytest.mark.parametrize("value", [0, 123, INVALID])
def test_silence_at_the_ends_changes_nothing_of_what_best_sees(value):
    counts = noise(5000)
    silence = np.full((12, 700), value, np.int16)
    seen = network_signal(counts, 500, RECIPES["best"])
    for padded in (np.hstack([counts, silence]), np.hstack([counts, np.repeat(counts[:, -1:], 700, axis=1)])):
        np.testing.assert_array_equal(network_signal(padded, 500, RECIPES["best"]), seen)
    both = trim_silence(np.hstack([silence, counts, silence]))
    np.testing.assert_array_equal(both[:, 1:-1] if value == 123 else both, counts)
    assert network_signal(np.hstack([counts, silence]), 500, RECIPES["published"]).shape[1] > 2900


def test_a_recording_of_nothing_but_silence_is_one_sample():
    two_silences = np.hstack([np.zeros((12, 300), np.int16), np.full((12, 300), INVALID, np.int16)])
    assert trim_silence(two_silences).shape == trim_silence(two_silences[:, ::-1]).shape == (12, 1)
    assert trim_silence(np.full((12, 5000), 3, np.int16)).shape == (12, 1)
    assert trim_silence(noise(1)).shape == (12, 1)
    one_lead = np.zeros((12, 500), np.int16)
    one_lead[4, 200:300] = noise(100)[0]
    assert trim_silence(one_lead).shape == (12, 100)  # silent where no lead changes, not where some do not


LIMBS = LEADS[:6]


def a_heart(samples: int = 5000) -> np.ndarray:
    """A recording whose limb leads are what they are to each other on a patient."""
    counts = np.cumsum(noise(samples) // 100, axis=1)
    one, two = 2 * counts[:2]
    counts[:6] = one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2
    return counts.astype(np.int16)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("there", list(itertools.combinations(LIMBS, 2)), ids=" ".join)
def test_two_limb_leads_are_all_six(there, recipe):
    counts = a_heart()
    fewer = counts.copy()
    fewer[[i for i, lead in enumerate(LIMBS) if lead not in there]] = 0
    np.testing.assert_allclose(network_signal(fewer, 500, recipe), network_signal(counts, 500, recipe), atol=2)


def test_only_limb_leads_are_computed_and_only_from_two():
    counts = noise(5000)
    np.testing.assert_array_equal(fill_limb_leads(counts), counts)  # all there: as they are, be they right or not
    for zero in ([0, 1, 2, 3, 4], range(6), [6, 11]):
        fewer = counts.copy()
        fewer[list(zero)] = 0
        np.testing.assert_array_equal(fill_limb_leads(fewer), fewer)


def test_a_computed_lead_that_is_too_large_is_clipped():
    counts = np.zeros((12, 500), np.int16)
    counts[0], counts[1] = -32000, 32000
    assert (fill_limb_leads(counts)[2] == 32767).all()


def test_age_and_sex_have_masks():
    assert demographics(50.0, "female").tolist() == [0.5, 1, 1, 0, 1]
    assert demographics(0.0, "male").tolist() == [0, 1, 0, 1, 1]
    assert demographics(None, None).tolist() == [0, 0, 0, 0, 0]
