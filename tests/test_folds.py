"""Folds: every source and class is spread evenly, also in small folders."""

import numpy as np
import pytest

from ecg.errors import EntryError
from ecg.training.folds import assign_folds


def random_labels(recordings: int) -> np.ndarray:
    return np.random.default_rng(0).random((recordings, 6)) < [0.5, 0.3, 0.2, 0.1, 0.05, 0.0]


def test_each_source_and_class_is_spread_evenly_and_the_seed_decides():
    labels, sources = random_labels(1000), np.array(["HR"] * 700 + ["A"] * 300)
    fold_of = assign_folds(labels, sources, 5, 2020)
    for source in ("HR", "A"):
        counts = [labels[(sources == source) & (fold_of == fold)].sum(axis=0) for fold in range(5)]
        assert (np.ptp(counts, axis=0) <= 3).all()
    assert (assign_folds(labels, sources, 5, 2020) == fold_of).all()
    assert (assign_folds(labels, sources, 5, 1) != fold_of).any()


def test_sources_smaller_than_the_number_of_folds_fill_the_smallest_folds():
    fold_of = assign_folds(random_labels(9), ["A", "A", "E", "S", "S", "Q", "Q", "Q", "I"], 5, 2020)
    assert np.bincount(fold_of, minlength=5).min() >= 1


def test_fewer_recordings_than_folds_is_an_error():
    with pytest.raises(EntryError, match="3 recordings .* too few for 5 folds"):
        assign_folds(random_labels(3), ["A"] * 3, 5, 2020)
