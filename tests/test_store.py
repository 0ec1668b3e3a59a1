"""The store: the preprocessed recordings of a training, reused until a recording or the preprocessing changes."""

import os
from dataclasses import replace

import numpy as np
import pytest

from ecg.classes import load_weights
from ecg.data.listing import find_recordings, signal_size
from ecg.data.preprocessing import demographics, network_signal
from ecg.data.record import read_record
from ecg.recipe import RECIPES
from ecg.simulation.dataset import simulated_record
from ecg.training import store as store_module
from ecg.training.store import open_store
from tests.conftest import noise, write_recording

WEIGHTS = load_weights()


@pytest.fixture
def data(tmp_path):
    for i, rate in enumerate(("500", "257", "1000")):
        write_recording(tmp_path / "data", f"A{i}", noise(1000 + i, seed=i), rate=rate)
    return tmp_path / "data"


def opened(data, tmp_path, recipe=RECIPES["published"]):
    return open_store(find_recordings(data), tmp_path / "store", WEIGHTS, recipe)


def signal(store, index):
    """The signal of recording ``index`` in the mapped file, int16 (12, samples)."""
    ends = 12 * np.cumsum(store.lengths)
    return store.signals[: ends[index]][-12 * store.lengths[index] :].reshape(12, -1)


def test_the_store_holds_the_input_of_the_networks(data, tmp_path):
    store = opened(data, tmp_path)
    assert len(store) == 3
    for i, path in enumerate(find_recordings(data)):
        record = read_record(path)
        np.testing.assert_array_equal(
            signal(store, i), network_signal(record.counts, record.header.rate, RECIPES["published"])
        )
        assert store.sources[i] == "A"
    assert list(store.names()) == [path.stem for path in find_recordings(data)]
    assert store.labels[:, WEIGHTS.normal].all() and store.labels.sum() == 3
    np.testing.assert_array_equal(store.demographics, [demographics(60.0, "female")] * 3)


@pytest.mark.parametrize(
    "change", ["nothing", "a signal", "a header", "a new recording", "the rate", "the resampling", "a damaged index"]
)
def test_the_store_is_rebuilt_after_a_change(data, tmp_path, monkeypatch, change):
    opened(data, tmp_path)
    built, recipe = [], RECIPES["published"]
    build = store_module._build
    monkeypatch.setattr(store_module, "_build", lambda *arguments: built.append(1) or build(*arguments))
    if change == "a signal":
        os.utime(data / "A1.mat", ns=(1, 1))
    elif change == "a header":
        (data / "A1.hea").write_text((data / "A1.hea").read_text() + "#Rx: Unknown\n")
    elif change == "a new recording":
        write_recording(data, "A3")
    elif change == "the rate":
        recipe = replace(recipe, rate=250.0)
    elif change == "the resampling":
        recipe = replace(recipe, resampling="average")
    elif change == "a damaged index":
        (tmp_path / "store/index.json").write_text("{")
    store = opened(data, tmp_path, recipe)
    assert len(built) == (change != "nothing")
    assert len(store) == 3 + (change == "a new recording")


def test_simulated_recordings_follow_the_others(data, tmp_path):
    headers, recipe = find_recordings(data), RECIPES["best"]
    store = open_store(headers, tmp_path / "store", WEIGHTS, recipe, simulated=5)
    assert store.simulated.tolist() == [False] * 3 + [True] * 5
    for i in range(3, 8):
        record = simulated_record(recipe.seed, i - 3)
        np.testing.assert_array_equal(signal(store, i), network_signal(record.counts, record.header.rate, recipe))
        assert (store.labels[i] == WEIGHTS.encode(record.header.diagnoses)).all() and store.labels[i].any()
    without, again, more, other = (
        open_store(headers, tmp_path / "store", WEIGHTS, changed, simulated=number)
        for changed, number in ((recipe, 0), (recipe, 5), (recipe, 6), (replace(recipe, seed=1), 5))
    )
    assert (len(without), len(more), again.fingerprint) == (3, 9, store.fingerprint)
    np.testing.assert_array_equal(signal(again, 7), signal(store, 7))
    assert signal(other, 7).shape != signal(again, 7).shape or (signal(other, 7) != signal(again, 7)).any()


def test_many_recordings_are_read_in_parallel_and_keep_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "FEW", 10)
    monkeypatch.setattr(store_module, "TASK", 5000)  # bytes: three recordings
    for i in range(50):
        write_recording(
            tmp_path / "data",
            f"A{i:04d}",
            i + np.arange(60 + i % 3, dtype=np.int16) * np.full((12, 1), 5, np.int16),
            rate="257",
        )
    (tmp_path / "data/A0007.mat").write_bytes(b"")
    store = opened(tmp_path / "data", tmp_path)
    expected = [i for i in range(50) if i != 7]
    assert [int(signal(store, i)[0, 0]) for i in range(len(store))] == expected
    assert list(store.names()) == [f"A{i:04d}" for i in expected]
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == [
        "index.json", "names.jsonl", "rows.bin", "signals.i16"
    ]  # fmt: skip


def test_a_recording_larger_than_the_limit_is_a_group_of_its_own(data):
    first, second, third = headers = find_recordings(data)
    both = signal_size(first) + signal_size(second)
    assert list(store_module._grouped(headers, 1)) == [[first], [second], [third]]
    assert list(store_module._grouped(headers, both)) == [[first, second], [third]]
    assert list(store_module._grouped(headers, 10 * both)) == [headers]
