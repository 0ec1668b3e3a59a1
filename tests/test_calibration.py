"""Probabilities that are right on average, learned from recordings held out; and never from a network's own fold."""

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

import team_code
from ecg.decision.calibration import logit_shifts
from ecg.errors import EntryError
from ecg.model.compute import pick_compute
from ecg.model.folder import build_network
from ecg.recipe import RECIPES
from ecg.simulation.dataset import simulate_folder
from ecg.training.setup import Training, prepare


def test_what_is_expected_too_often_is_expected_as_often_as_it_is():
    random = np.random.default_rng(0)
    right = expit(random.normal(-2, 1.5, (20_000, 3)))
    labels = random.random(right.shape) < right
    wrong = expit(logit(right) + [1.0, 0.0, -0.7])
    shifts = logit_shifts(wrong, labels)
    np.testing.assert_allclose(shifts, [-1.0, 0.0, 0.7], atol=0.06)
    np.testing.assert_allclose(expit(logit(wrong) + shifts).mean(axis=0), labels.mean(axis=0), rtol=0.01)


def test_few_recordings_change_little_and_none_nothing():
    labels = np.zeros((4, 1), bool)
    few = logit_shifts(np.full((4, 1), 0.3), labels)[0]
    many = logit_shifts(np.full((4000, 1), 0.3), np.zeros((4000, 1), bool))[0]
    assert many < -4 < -1 < few < 0
    assert logit_shifts(np.zeros((0, 2)), np.zeros((0, 2), bool)).tolist() == [0, 0]


@given(st.integers(0, 2**32), st.integers(1, 60), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_any_probabilities_give_the_shift_that_balances_them(seed, recordings, positive):
    """The sure ones too: what is expected with the shift, and the shift itself, make up what there is."""
    random = np.random.default_rng(seed)
    p = random.choice([0.0, 1e-12, 0.2, 0.9, 1.0], (recordings, 2))
    labels = random.random(p.shape) < positive
    shifts = logit_shifts(p, labels)
    expected = expit(logit(np.clip(p, 1e-9, 1 - 1e-9)) + shifts).sum(axis=0)
    np.testing.assert_allclose(expected + shifts, labels.sum(axis=0), atol=1e-6)


@pytest.fixture(scope="module")
def training(tmp_path_factory, tiny_recipe):
    folder = tmp_path_factory.mktemp("calibrated")
    simulate_folder(folder / "data", 60, 5)
    training = prepare(folder / "data", folder / "model", tiny_recipe, pick_compute("cpu"))
    training.store.sources[:] = "HR"
    return training


def networks_of(training: Training) -> list:
    torch.manual_seed(0)
    return [build_network(training.recipe, 24).eval() for _ in range(training.recipe.folds)]


def shifts_of(training: Training) -> list[np.ndarray]:
    before, calibrated = networks_of(training), networks_of(training)
    team_code.calibrate(training, calibrated)
    return [(new.head.bias - old.head.bias).detach().numpy() for new, old in zip(calibrated, before)]


def test_a_network_is_calibrated_on_other_folds_than_its_own(training):
    told = team_code.predict_held_out(training, networks_of(training))
    others = np.flatnonzero((training.fold_of != 0) & (training.fold_of >= 0))
    labels = training.labels[others]
    expected = logit_shifts(told[others], labels) * labels.any(axis=0)
    expected[training.weights.normal] = 0  # how many have sinus rhythm is the hospital's own
    shifts = shifts_of(training)
    np.testing.assert_allclose(shifts[0], expected, atol=1e-5)
    assert np.count_nonzero(expected) > 12

    unlike = training.labels.copy()
    unlike[training.held_out(0)] ^= True
    again = shifts_of(replace(training, labels=unlike))
    assert (again[0] == shifts[0]).all()  # labels of its own fold change nothing
    assert (again[1] != shifts[1]).any()


def test_a_class_that_most_sources_never_label_stays_as_it_is(training):
    """Three quarters of the recordings are of a source that never says LBBB, whatever they show."""
    training = replace(training, labels=training.labels.copy(), store=copy(training.store))
    lbbb = training.weights.column["164909002"]
    for part, expected in ((0.75, False), (0.25, True)):
        training.store.sources = np.where(np.arange(len(training.labels)) % 4 < 4 * part, "HR", "A").astype(object)
        training.labels[:, lbbb] = (training.store.sources == "A") & (np.arange(len(training.labels)) % 3 == 0)
        assert all((shifts[lbbb] != 0) == expected for shifts in shifts_of(training))


def test_a_single_network_is_calibrated_on_its_own_fold(training):
    one, other = networks_of(training)[:1], networks_of(training)[:1]
    team_code.calibrate(training, one)
    here = training.held_out(0)
    p, before = (team_code.predict_held_out(training, networks) for networks in (one, other))
    few = training.labels[here].any(axis=0)
    expected, was, there = (table[here][:, few].sum() for table in (p, before, training.labels))
    assert abs(expected - there) < abs(was - there)
    assert not p[np.setdiff1d(np.arange(len(p)), here)].any()


def test_a_network_without_numbers_is_named(training):
    networks = networks_of(training)
    networks[1].head.bias.data[3] = float("nan")
    with pytest.raises(EntryError, match="--float32"):
        team_code.validate(training, networks)


def test_the_recipe_of_the_paper_is_not_calibrated(training):
    networks, before = networks_of(training), networks_of(training)
    team_code.validate(replace(training, recipe=replace(training.recipe, calibrate=False)), networks)
    assert all((new.head.bias == old.head.bias).all() for new, old in zip(networks, before))
    assert RECIPES["best"].calibrate and not RECIPES["published"].calibrate
