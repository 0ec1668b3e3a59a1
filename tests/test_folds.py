"""Folds: every source and every class in its share, and small folders too."""

import numpy as np
import pytest

from ecg.errors import EntryError
from ecg.training.folds import assign_folds


def random_labels(n: int) -> np.ndarray:
    return np.random.default_rng(0).random((n, 6)) < [0.5, 0.3, 0.2, 0.1, 0.05, 0.0]


def test_each_source_and_class_is_spread_evenly():
    labels, sources = random_labels(1000), ["HR"] * 700 + ["A"] * 300
    fold_of = assign_folds(labels, sources, 5, 2020)
    for source in ("HR", "A"):
        here = np.array(sources) == source
        for k in range(5):
            counts = [labels[here & (fold_of == fold), k].sum() for fold in range(5)]
            assert max(counts) - min(counts) <= 3
    assert (assign_folds(labels, sources, 5, 2020) == fold_of).all()
    assert (assign_folds(labels, sources, 5, 1) != fold_of).any()


def test_sources_smaller_than_the_folds_are_dealt_out():
    fold_of = assign_folds(random_labels(9), ["A", "A", "E", "S", "S", "Q", "Q", "Q", "I"], 5, 2020)
    assert np.bincount(fold_of, minlength=5).min() >= 1


def test_fewer_recordings_than_folds_is_an_error():
    with pytest.raises(EntryError, match="3 recordings .* too few for 5 folds"):
        assign_folds(random_labels(3), ["A"] * 3, 5, 2020)
