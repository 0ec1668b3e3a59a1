"""The decision by the expected metric: the expectation is exact, and the labels maximise it."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg.classes import load_weights
from ecg.decision.expected_metric import apply_temperature, expected_rewards, maximise_expected_metric
from ecg.decision.labels import decide_labels, vote
from ecg.evaluation.metrics import challenge_metric, recording_rewards
from ecg.recipe import RECIPES

WEIGHTS = load_weights()
CLASSES = 6  # few enough to list all label sets
MATRIX = WEIGHTS.matrix[np.ix_(range(10, 10 + CLASSES), range(10, 10 + CLASSES))]
LABEL_SETS = np.array(list(itertools.product([False, True], repeat=CLASSES)))


def enumerated(p: np.ndarray, outputs: np.ndarray) -> float:
    """The expected reward as the sum over all label sets."""
    probabilities = np.where(LABEL_SETS, p, 1 - p).prod(axis=1)
    return float(probabilities @ recording_rewards(MATRIX, LABEL_SETS, np.broadcast_to(outputs, LABEL_SETS.shape)))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=CLASSES, max_size=CLASSES), st.sampled_from(list(LABEL_SETS)))
def test_expected_reward_is_the_sum_over_all_label_sets(p, outputs):
    p = np.array(p)
    reward = expected_rewards(MATRIX, p[np.newaxis], outputs[np.newaxis])[0]
    assert reward == pytest.approx(enumerated(p, outputs), abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_labels_are_a_local_maximum_and_close_to_the_global_one(seed):
    p = np.random.default_rng(seed).beta(0.3, 1, (1, CLASSES))
    labels = maximise_expected_metric(MATRIX, p)[0]
    reward, all_rewards = enumerated(p[0], labels), [enumerated(p[0], outputs) for outputs in LABEL_SETS]
    neighbours = [
        value for value, outputs in zip(all_rewards, LABEL_SETS) if (outputs ^ labels).sum() == 1 and outputs.any()
    ]
    assert labels.any() and reward >= max(neighbours) - 1e-9
    assert reward >= max(all_rewards[1:]) - 0.05


def test_certain_probabilities_give_the_true_labels():
    random = np.random.default_rng(0)
    labels = random.random((200, 24)) < 0.1
    labels[~labels.any(axis=1), WEIGHTS.normal] = True
    outputs = maximise_expected_metric(WEIGHTS.matrix, labels.astype(float))
    assert (outputs == labels).all() and challenge_metric(WEIGHTS, labels, outputs) == 1


def test_every_recording_gets_a_label():
    for p in (np.zeros((3, 24)), np.full((3, 24), 1e-9)):
        assert maximise_expected_metric(WEIGHTS.matrix, p).any(axis=1).all()
    assert maximise_expected_metric(WEIGHTS.matrix, np.ones((1, 24))).all()


def test_with_calibrated_probabilities_the_metric_exceeds_that_of_any_common_threshold():
    random = np.random.default_rng(0)
    p = random.beta(0.2, 1, (1000, 24))
    labels = random.random(p.shape) < p
    metric = challenge_metric(WEIGHTS, labels, maximise_expected_metric(WEIGHTS.matrix, p))
    with_thresholds = [challenge_metric(WEIGHTS, labels, p >= threshold) for threshold in np.arange(0, 1, 0.01)]
    assert metric > max(with_thresholds) + 0.005


def test_labels_of_a_recording_do_not_depend_on_the_others():
    p = np.random.default_rng(0).beta(0.3, 1, (50, 24))
    together = maximise_expected_metric(WEIGHTS.matrix, p)
    alone = np.concatenate([maximise_expected_metric(WEIGHTS.matrix, row[np.newaxis]) for row in p])
    assert (together == alone).all()


def test_temperature_makes_probabilities_less_or_more_confident():
    p = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    np.testing.assert_allclose(apply_temperature(p, 1), p, atol=1e-8)
    warm, cold = apply_temperature(p, 2), apply_temperature(p, 0.5)
    assert warm[1] == pytest.approx(0.25) and warm[2] == 0.5 and cold[3] > 0.98
    assert ((warm >= 0) & (warm <= 1)).all()


def test_recipe_chooses_the_decision():
    p = np.random.default_rng(0).beta(0.3, 1, (3, 20, 24))
    thresholds = np.full((3, 24), 0.3)
    by_vote = decide_labels(replace(RECIPES["published"], challenge_labels="vote"), WEIGHTS.matrix, p, thresholds)
    assert all((decided == voted).all() for decided, voted in zip(by_vote, vote(p, thresholds)))
    recipe = replace(RECIPES["published"], challenge_labels="expected", temperature=1.5)
    labels, scores = decide_labels(recipe, WEIGHTS.matrix, p, thresholds)
    np.testing.assert_allclose(scores, p.mean(axis=0))
    assert (labels == maximise_expected_metric(WEIGHTS.matrix, apply_temperature(scores, 1.5))).all()
