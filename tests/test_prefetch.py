"""Reading a folder ahead of the networks: in order, in bounded batches, and one failure does not affect the others."""

from dataclasses import replace

import numpy as np
import pytest

import driver
import team_code
from ecg.data import prefetch
from ecg.data.listing import find_recordings
from ecg.data.record import read_record
from ecg.errors import RecordError
from ecg.recipe import RECIPES
from team_code import load_model, run_recordings
from tests.conftest import CPU, noise, write_recording

RECIPE = replace(RECIPES["small"], batch=4)
UNREADABLE = ("A0003", "A0011")


@pytest.fixture
def headers(tmp_path):
    """The headers of 22 recordings. One has no signal file, one is not a header."""
    for i in range(22):
        write_recording(tmp_path / "data", f"A{i:04d}", noise(600 + 100 * i, seed=i))
    (tmp_path / "data/A0003.mat").unlink()
    (tmp_path / "data/A0011.hea").write_text("no header\n")
    return find_recordings(tmp_path / "data")


@pytest.mark.parametrize("ahead", [0, 60_000, prefetch.AHEAD])
@pytest.mark.parametrize("batch_samples", [1, 1000, prefetch.BATCH_SAMPLES])
def test_batches_are_in_order_and_within_their_limits(headers, monkeypatch, ahead, batch_samples):
    monkeypatch.setattr(prefetch, "AHEAD", ahead)
    monkeypatch.setattr(prefetch, "BATCH_SAMPLES", batch_samples)
    batches = list(prefetch.read_batches(headers, RECIPE))
    assert [path for batch in batches for path, _ in batch] == headers
    for batch in batches:
        samples = [item.input[0].shape[1] for _, item in batch if not isinstance(item, RecordError)]
        assert len(batch) <= 4 and sum(samples[:-1]) < batch_samples
    errors = {path.stem: str(item) for batch in batches for path, item in batch if isinstance(item, RecordError)}
    assert tuple(errors) == UNREADABLE and "A0003.mat" in errors["A0003"]


@pytest.mark.parametrize("ahead", [0, 200_000, prefetch.AHEAD])
def test_reading_ahead_is_bounded_by_bytes_and_by_two_batches(headers, monkeypatch, ahead):
    started = []

    def count_and_read(path, **options):
        started.append(path)
        return read_record(path, **options)

    monkeypatch.setattr(prefetch, "AHEAD", ahead)
    monkeypatch.setattr(prefetch, "BATCH_SAMPLES", 1)  # yield each recording as soon as it is ready
    monkeypatch.setattr(prefetch, "read_record", count_and_read)
    done, reads_ahead = 0, []
    for batch in prefetch.read_batches(headers, RECIPE):
        done += len(batch)
        reads_ahead.append(len(started) - done)
    assert len(started) == len(headers) and max(reads_ahead) <= (1 if ahead == 0 else 2 * RECIPE.batch)


def test_recording_that_makes_the_networks_fail_does_not_fail_its_batch(headers, model_folder, monkeypatch, capsys):
    model = load_model(model_folder, compute=CPU)
    expected = dict(driver.run_folder(model, headers, "challenge"))
    (((_, prepared),),) = prefetch.read_batches(headers[8:9], model.recipe)
    failing = prepared.input[0]

    def fail_on_one(model, inputs, decision):
        if any(np.array_equal(signal, failing) for signal, _ in inputs):
            raise MemoryError("too much")
        return run_recordings(model, inputs, decision)

    monkeypatch.setattr(team_code, "run_recordings", fail_on_one)
    results = dict(driver.run_folder(model, headers, "challenge"))
    assert isinstance(results[headers[8]], RecordError) and "too much" in str(results[headers[8]])
    assert "each is run alone" in capsys.readouterr().out
    for path in headers:
        if path.stem not in (*UNREADABLE, "A0008"):
            assert results[path][0] == expected[path][0]
            np.testing.assert_allclose(results[path][1], expected[path][1], atol=1e-6)
