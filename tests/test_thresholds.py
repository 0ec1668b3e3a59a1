"""The threshold searches against brute force, with the rule that the most probable class is always positive."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg.classes import load_weights
from ecg.decision.labels import apply_thresholds, vote
from ecg.evaluation import metrics
from team_code import search_exact, search_grid

WEIGHTS = load_weights()


def draw(seed: int, recordings: int, digits: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that know something of them; few digits make many of them equal."""
    random = np.random.default_rng(seed)
    labels = random.random((recordings, 24)) < random.random(24) * 0.4
    labels[:, WEIGHTS.normal] |= ~labels.any(axis=1)
    p = np.clip(random.normal(0.2 + 0.3 * labels, 0.2), 0, 1)
    return labels, np.round(p, digits)


def metric(labels, p, thresholds) -> float:
    return metrics.challenge_metric(WEIGHTS, labels, apply_thresholds(p, thresholds))


def plain_grid(labels, p) -> np.ndarray:
    """The paper's search, one official metric at a time."""
    common = max(np.arange(11) / 10, key=lambda threshold: metric(labels, p, threshold))
    thresholds = np.full(24, common)
    for k in range(24):
        best = metric(labels, p, thresholds)
        for step in np.arange(101) / 100:
            trial = thresholds.copy()
            trial[k] = step
            if metric(labels, p, trial) > best + 1e-12:
                best, thresholds = metric(labels, p, trial), trial
    return thresholds


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from([1, 2, 8]))
def test_the_grid_is_the_papers_search(seed, recordings, digits):
    labels, p = draw(seed, recordings, digits)
    assert metric(labels, p, search_grid(WEIGHTS, labels, p)) == pytest.approx(
        metric(labels, p, plain_grid(labels, p)), abs=1e-9
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.sampled_from([1, 2, 8]))
def test_no_single_threshold_improves_the_exact_search(seed, recordings, digits):
    labels, p = draw(seed, recordings, digits)
    thresholds = search_exact(WEIGHTS, labels, p)
    reached = metric(labels, p, thresholds)
    for k in range(24):
        for step in np.append(np.unique(p[:, k]), 2.0):  # every way to cut the recordings in two
            trial = thresholds.copy()
            trial[k] = step
            assert metric(labels, p, trial) <= reached + 1e-6


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from([1, 3, 8]))
def test_the_exact_search_is_never_below_the_grid(seed, recordings, digits):
    labels, p = draw(seed, recordings, digits)
    exact, grid = (metric(labels, p, search(WEIGHTS, labels, p)) for search in (search_exact, search_grid))
    assert exact >= grid - 1e-9


def test_the_exact_search_survives_probabilities_that_are_neighbours():
    """Halfway between two adjacent floating-point numbers is one of them."""
    low = 0.3
    p = np.full((2, 24), 0.01)
    p[:, 0] = 0.9
    p[0, 1], p[1, 1] = low, np.nextafter(low, 1)
    labels = np.zeros((2, 24), bool)
    labels[:, 0] = True
    labels[1, 1] = True
    thresholds = search_exact(WEIGHTS, labels, p)
    assert apply_thresholds(p, thresholds)[:, 1].tolist() == [False, True]


def test_a_class_that_is_every_recordings_favourite_has_nothing_to_decide():
    labels, p = draw(3, 30)
    p[:, 7] = 1.0
    for search in (search_exact, search_grid):
        assert np.isfinite(search(WEIGHTS, labels, p)).all()


def test_classes_that_a_fold_lacks_and_probabilities_all_alike_are_no_obstacle():
    labels, p = draw(1, 20)
    labels[:, 3:] = False
    labels[:, WEIGHTS.normal] = True
    p[:, 5] = 0.25
    for search in (search_exact, search_grid):
        thresholds = search(WEIGHTS, labels, p)
        assert np.isfinite(thresholds).all() and metric(labels, p, thresholds) >= metric(labels, p, 0.5)


def test_no_decision_is_empty():
    _, p = draw(2, 50)
    assert apply_thresholds(p, 1.1).any(axis=1).all() and (apply_thresholds(p, 1.1).sum(axis=1) == 1).all()
    labels, _ = vote(np.stack([p, p]), np.full((2, 24), 1.1))
    assert labels.any(axis=1).all()


def test_the_vote():
    """Half of the votes make a class positive, and the most-voted class always is; the score is the mean."""
    p = np.full((5, 1, 24), 0.1)
    p[:, 0, 7] = 0.95  # the most probable of all five
    p[:3, 0, 2] = 0.9
    p[:2, 0, 4] = 0.9
    labels, scores = vote(p, np.full((5, 24), 0.5))
    assert np.flatnonzero(labels[0]).tolist() == [2, 7]
    assert scores[0, 2] == pytest.approx((3 * 0.9 + 2 * 0.1) / 5)
    # five members, five favourites: none has half of the votes, the most probable of them is positive
    apart = np.full((5, 1, 24), 0.1)
    for member, k in itertools.product(range(5), range(5)):
        apart[member, 0, k] = 0.5 + 0.05 * k if member == k else 0.1
    assert np.flatnonzero(vote(apart, np.full((5, 24), 0.95))[0][0]).tolist() == [4]
