"""The decision by the expected metric: the expectation is exact, and the labels are the best that can be said."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg.classes import load_weights
from ecg.decision.expected_metric import apply_temperature, expected_rewards, maximise_expected_metric
from ecg.decision.labels import decide_labels, vote
from ecg.evaluation.metrics import challenge_metric, rewards
from ecg.recipe import RECIPES

WEIGHTS = load_weights()
CLASSES = 6
FEW = WEIGHTS.matrix[np.ix_(range(10, 10 + CLASSES), range(10, 10 + CLASSES))]
SETS = np.array(list(itertools.product([False, True], repeat=CLASSES)))


def enumerated(p: np.ndarray, outputs: np.ndarray) -> float:
    """The expectation as the sum over all sets of labels."""
    chances = np.where(SETS, p, 1 - p).prod(axis=1)
    return float(chances @ rewards(FEW, SETS, np.broadcast_to(outputs, SETS.shape)))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=CLASSES, max_size=CLASSES), st.integers(0, len(SETS) - 1))
def test_the_expectation_is_the_sum_over_all_sets_of_labels(p, index):
    p, outputs = np.array(p), SETS[index]
    assert expected_rewards(FEW, p[np.newaxis], outputs[np.newaxis])[0] == pytest.approx(
        enumerated(p, outputs), abs=1e-12
    )


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_the_labels_are_the_best_or_nearly(seed):
    """No set that differs in one class is better; the best of all is better by little."""
    p = np.random.default_rng(seed).beta(0.3, 1, (1, CLASSES))
    chosen = maximise_expected_metric(FEW, p)[0]
    reached, every = enumerated(p[0], chosen), [enumerated(p[0], outputs) for outputs in SETS]
    neighbours = [value for value, outputs in zip(every, SETS) if (outputs ^ chosen).sum() == 1 and outputs.any()]
    assert chosen.any() and reached >= max(neighbours) - 1e-9
    assert reached >= max(every[1:]) - 0.05


def test_what_is_certain_is_said():
    random = np.random.default_rng(0)
    labels = random.random((200, 24)) < 0.1
    labels[~labels.any(axis=1), WEIGHTS.normal] = True
    outputs = maximise_expected_metric(WEIGHTS.matrix, labels.astype(float))
    assert (outputs == labels).all() and challenge_metric(WEIGHTS, labels, outputs) == 1


def test_no_recording_is_left_without_a_label():
    for p in (np.zeros((3, 24)), np.full((3, 24), 1e-9)):
        assert maximise_expected_metric(WEIGHTS.matrix, p).any(axis=1).all()
    assert maximise_expected_metric(WEIGHTS.matrix, np.ones((1, 24))).all()


def test_it_earns_more_than_any_common_threshold_where_the_probabilities_are_right():
    random = np.random.default_rng(0)
    p = random.beta(0.2, 1, (4000, 24))
    labels = random.random(p.shape) < p
    reached = challenge_metric(WEIGHTS, labels, maximise_expected_metric(WEIGHTS.matrix, p))
    common = [challenge_metric(WEIGHTS, labels, p >= threshold) for threshold in np.arange(0, 1, 0.01)]
    assert reached > max(common) + 0.005


def test_a_recording_is_decided_by_itself():
    p = np.random.default_rng(0).beta(0.3, 1, (50, 24))
    together = maximise_expected_metric(WEIGHTS.matrix, p)
    alone = np.concatenate([maximise_expected_metric(WEIGHTS.matrix, row[np.newaxis]) for row in p])
    assert (together == alone).all()


def test_a_temperature_makes_probabilities_more_or_less_sure():
    p = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    np.testing.assert_allclose(apply_temperature(p, 1), p, atol=1e-8)
    assert (
        apply_temperature(p, 2)[1] == pytest.approx(0.25)
        and apply_temperature(p, 2)[2] == 0.5
        and apply_temperature(p, 0.5)[3] > 0.98
    )
    assert ((apply_temperature(p, 2) >= 0) & (apply_temperature(p, 2) <= 1)).all()


def test_the_recipe_says_how_the_ensemble_decides():
    p = np.random.default_rng(0).beta(0.3, 1, (3, 20, 24))
    thresholds = np.full((3, 24), 0.3)
    voted = decide_labels(replace(RECIPES["published"], decision="vote"), WEIGHTS.matrix, p, thresholds)
    assert all((one == other).all() for one, other in zip(voted, vote(p, thresholds)))
    warm = replace(RECIPES["published"], decision="expected", temperature=1.5)
    labels, scores = decide_labels(warm, WEIGHTS.matrix, p, thresholds)
    np.testing.assert_allclose(scores, p.mean(axis=0))
    assert (labels == maximise_expected_metric(WEIGHTS.matrix, apply_temperature(scores, 1.5))).all()
