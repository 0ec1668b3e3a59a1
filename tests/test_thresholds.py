"""Thresholds: the searches against brute force, the rule that the most probable class is positive, and the vote."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import plain
from ecg.classes import load_weights
from ecg.decision.labels import apply_thresholds, vote
from ecg.evaluation.metrics import challenge_metric
from team_code import search_exact, search_grid

WEIGHTS = load_weights()

each_search = pytest.mark.parametrize("search", [search_exact, search_grid])
SEEDS, DIGITS = st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 8])


def draw(seed: int, recordings: int, digits: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Random labels, and probabilities that depend on them; with few digits many probabilities are equal."""
    random = np.random.default_rng(seed)
    labels = random.random((recordings, 24)) < random.random(24) * 0.4
    labels[:, WEIGHTS.normal] |= ~labels.any(axis=1)
    p = np.clip(random.normal(0.2 + 0.3 * labels, 0.2), 0, 1)
    return labels, np.round(p, digits)


def metric(labels, p, thresholds) -> float:
    return challenge_metric(WEIGHTS, labels, apply_thresholds(p, thresholds))


@settings(deadline=None, max_examples=10)
@given(SEEDS, st.integers(1, 40), DIGITS)
def test_grid_search_reaches_the_metric_of_the_papers_search(seed, recordings, digits):
    labels, p = draw(seed, recordings, digits)
    expected = plain.grid_search(lambda outputs: challenge_metric(WEIGHTS, labels, outputs), p)
    assert metric(labels, p, search_grid(WEIGHTS, labels, p)) == pytest.approx(metric(labels, p, expected), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.integers(1, 25), DIGITS)
def test_no_change_of_one_threshold_improves_the_exact_search(seed, recordings, digits):
    labels, p = draw(seed, recordings, digits)
    thresholds = search_exact(WEIGHTS, labels, p)
    reached = metric(labels, p, thresholds)
    for k in range(24):
        for threshold in np.append(np.unique(p[:, k]), 2.0):  # every way to cut the recordings in two
            changed = thresholds.copy()
            changed[k] = threshold
            assert metric(labels, p, changed) <= reached + 1e-6


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.integers(1, 60), st.sampled_from([1, 3, 8]))
def test_exact_search_is_never_below_the_grid_search(seed, recordings, digits):
    labels, p = draw(seed, recordings, digits)
    exact, grid = (metric(labels, p, search(WEIGHTS, labels, p)) for search in (search_exact, search_grid))
    assert exact >= grid - 1e-9


def test_exact_search_separates_adjacent_floating_point_numbers():
    """The number halfway between two adjacent floating-point numbers is rounded to one of them."""
    p, labels = np.full((2, 24), 0.01), np.zeros((2, 24), bool)
    p[:, 0], labels[:, 0] = 0.9, True
    p[:, 1], labels[1, 1] = (0.3, np.nextafter(0.3, 1)), True
    thresholds = search_exact(WEIGHTS, labels, p)
    assert apply_thresholds(p, thresholds)[:, 1].tolist() == [False, True]


@each_search
def test_class_that_is_the_most_probable_of_every_recording(search):
    labels, p = draw(3, 30)
    p[:, 7] = 1.0
    assert np.isfinite(search(WEIGHTS, labels, p)).all()


@each_search
def test_classes_without_labels_and_with_equal_probabilities(search):
    labels, p = draw(1, 20)
    labels[:, 3:] = False
    labels[:, WEIGHTS.normal] = True
    p[:, 5] = 0.25
    thresholds = search(WEIGHTS, labels, p)
    assert np.isfinite(thresholds).all() and metric(labels, p, thresholds) >= metric(labels, p, 0.5)


def test_every_recording_gets_a_label():
    _, p = draw(2, 50)
    assert (apply_thresholds(p, 1.1).sum(axis=1) == 1).all()
    labels, _ = vote(np.stack([p, p]), np.full((2, 24), 1.1))
    assert labels.any(axis=1).all()


def test_vote_needs_half_of_the_networks_or_the_most_votes():
    p = np.full((5, 1, 24), 0.1)
    p[:, 0, 7] = 0.95  # the most probable class of all five networks
    p[:3, 0, 2] = 0.9
    p[:2, 0, 4] = 0.9
    labels, scores = vote(p, np.full((5, 24), 0.5))
    assert np.flatnonzero(labels[0]).tolist() == [2, 7]
    assert scores[0, 2] == pytest.approx((3 * 0.9 + 2 * 0.1) / 5)


def test_most_probable_class_wins_a_tied_vote():
    """Each of five networks votes for another class, so none has half of the votes."""
    p = np.full((5, 1, 24), 0.1)
    for k in range(5):
        p[k, 0, k] = 0.5 + 0.05 * k
    assert np.flatnonzero(vote(p, np.full((5, 24), 0.95))[0][0]).tolist() == [4]
