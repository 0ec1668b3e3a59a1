"""Calibration: mean probabilities fit held-out recordings, and no network uses labels of its own fold."""

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
from ecg.errors import NonFiniteError
from ecg.model.compute import pick_compute
from ecg.model.folder import build_network
from ecg.model.network import SEResNet
from ecg.recipe import RECIPES
from ecg.simulation.dataset import simulate_folder
from ecg.training.setup import Training, prepare


def test_shifts_correct_wrong_log_odds():
    random = np.random.default_rng(0)
    true_p = expit(random.normal(-2, 1.5, (20_000, 3)))
    labels = random.random(true_p.shape) < true_p
    p = expit(logit(true_p) + [1.0, 0.0, -0.7])
    shifts = logit_shifts(p, labels)
    np.testing.assert_allclose(shifts, [-1.0, 0.0, 0.7], atol=0.06)
    np.testing.assert_allclose(expit(logit(p) + shifts).mean(axis=0), labels.mean(axis=0), rtol=0.01)


def test_few_recordings_shift_little_and_none_not_at_all():
    few, many = (logit_shifts(np.full((n, 1), 0.3), np.zeros((n, 1), bool))[0] for n in (4, 4000))
    assert many < -4 < -1 < few < 0
    assert logit_shifts(np.zeros((0, 2)), np.zeros((0, 2), bool)).tolist() == [0, 0]


@given(st.integers(0, 2**32), st.integers(1, 60), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_shifted_probabilities_and_prior_balance_the_labels(seed, recordings, positive):
    """At the most probable shift, the sum of the probabilities and the shift equal the number of positive labels."""
    random = np.random.default_rng(seed)
    p = random.choice([0.0, 1e-12, 0.2, 0.9, 1.0], (recordings, 2))
    labels = random.random(p.shape) < positive
    shifts = logit_shifts(p, labels)
    shifted = expit(logit(np.clip(p, 1e-9, 1 - 1e-9)) + shifts)
    np.testing.assert_allclose(shifted.sum(axis=0) + shifts, labels.sum(axis=0), atol=1e-6)


@pytest.fixture(scope="module")
def training(tmp_path_factory, tiny_recipe):
    folder = tmp_path_factory.mktemp("calibration")
    simulate_folder(folder / "data", 60, 5)
    training = prepare(folder / "data", folder / "model", tiny_recipe, pick_compute("cpu"))
    training.store.sources[:] = "HR"
    return training


def random_networks(training: Training) -> list[SEResNet]:
    """One network for each fold, the same ones at each call."""
    torch.manual_seed(0)
    return [build_network(training.recipe, 24).eval() for _ in range(training.recipe.folds)]


def calibration_shifts(training: Training) -> list[np.ndarray]:
    """The change of each network's output biases (classes,) by the calibration."""
    original, calibrated = random_networks(training), random_networks(training)
    team_code.calibrate(training, calibrated)
    return [(new.head.bias - old.head.bias).detach().numpy() for new, old in zip(calibrated, original)]


def test_network_is_calibrated_on_the_other_folds(training):
    p = team_code.predict_held_out(training, random_networks(training))
    others = np.flatnonzero((training.fold_of != 0) & (training.fold_of >= 0))
    labels = training.labels[others]
    expected = logit_shifts(p[others], labels) * labels.any(axis=0)
    expected[training.weights.normal] = 0  # the frequency of sinus rhythm differs between hospitals
    shifts = calibration_shifts(training)
    np.testing.assert_allclose(shifts[0], expected, atol=1e-5)
    assert np.count_nonzero(expected) > 12

    labels = training.labels.copy()
    labels[training.held_out(0)] ^= True
    with_other_labels = calibration_shifts(replace(training, labels=labels))
    assert (with_other_labels[0] == shifts[0]).all()
    assert (with_other_labels[1] != shifts[1]).any()


@pytest.mark.parametrize(("part", "is_shifted"), [(0.75, False), (0.25, True)])
def test_class_that_most_sources_never_label_is_not_shifted(training, part, is_shifted):
    """Source HR has ``part`` of the recordings and never labels LBBB."""
    training = replace(training, labels=training.labels.copy(), store=copy(training.store))
    lbbb, number = training.weights.column["164909002"], np.arange(len(training.labels))
    training.store.sources = np.where(number % 4 < 4 * part, "HR", "A").astype(object)
    training.labels[:, lbbb] = (training.store.sources == "A") & (number % 3 == 0)
    assert all((shifts[lbbb] != 0) == is_shifted for shifts in calibration_shifts(training))


def test_single_network_is_calibrated_on_its_own_fold(training):
    original, calibrated = random_networks(training)[:1], random_networks(training)[:1]
    team_code.calibrate(training, calibrated)
    held_out = training.held_out(0)
    labelled = training.labels[held_out].any(axis=0)
    p, p_before = (team_code.predict_held_out(training, networks) for networks in (calibrated, original))
    total, total_before, positives = (table[held_out][:, labelled].sum() for table in (p, p_before, training.labels))
    assert abs(total - positives) < abs(total_before - positives)
    assert not p[np.setdiff1d(np.arange(len(p)), held_out)].any()


def test_network_without_finite_probabilities_is_an_error(training):
    networks = random_networks(training)
    networks[1].head.bias.data[3] = float("nan")
    with pytest.raises(NonFiniteError, match="--float32"):
        team_code.validate(training, networks)


def test_published_recipe_is_not_calibrated(training):
    networks, original = random_networks(training), random_networks(training)
    team_code.validate(replace(training, recipe=replace(training.recipe, calibrate=False)), networks)
    assert all((new.head.bias == old.head.bias).all() for new, old in zip(networks, original))
    assert RECIPES["best"].calibrate and not RECIPES["published"].calibrate
