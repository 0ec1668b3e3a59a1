"""A folder is read ahead of the networks: in order, in bounded batches, and whatever fails fails alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import driver
from ecg.data import prefetch
from ecg.data.listing import find_headers, signal_size
from ecg.errors import RecordError
from ecg.recipe import RECIPES
from team_code import load_model, run_recordings
from tests.conftest import CPU, noise, write_recording

RECIPE = replace(RECIPES["small"], batch=4)


@pytest.fixture
def data(tmp_path):
    """22 recordings, of which one has no signal and one a broken header."""
    for i in range(22):
        write_recording(tmp_path / "data", f"A{i:04d}", noise(600 + 100 * i, seed=i))
    (tmp_path / "data/A0003.mat").unlink()
    (tmp_path / "data/A0011.hea").write_text("no header\n")
    return tmp_path / "data"


@pytest.mark.parametrize("ahead", [0, 60_000, prefetch.AHEAD])
@pytest.mark.parametrize("full", [1, 1000, prefetch.BATCH_SAMPLES])
def test_batches_come_in_order_and_no_larger_than_they_may(data, monkeypatch, ahead, full):
    monkeypatch.setattr(prefetch, "AHEAD", ahead)
    monkeypatch.setattr(prefetch, "BATCH_SAMPLES", full)
    headers = find_headers(data)
    batches = list(prefetch.read_batches(headers, RECIPE))
    assert [path for batch in batches for path, _ in batch] == headers
    for batch in batches:
        samples = [view[0].shape[1] for _, view in batch if not isinstance(view, RecordError)]
        assert len(batch) <= 4 and sum(samples[:-1]) < full
    views = dict(pair for batch in batches for pair in batch)
    broken = [path.stem for path in headers if isinstance(views[path], RecordError)]
    assert broken == ["A0003", "A0011"] and "A0003.mat" in str(views[headers[3]])


@pytest.mark.parametrize("ahead", [0, 200_000])
def test_what_is_read_ahead_is_bounded(data, monkeypatch, ahead):
    """However many recordings there are: by their files' bytes, and by two batches."""
    read, really = [], prefetch._read
    monkeypatch.setattr(prefetch, "AHEAD", ahead)
    monkeypatch.setattr(prefetch, "_read", lambda path, recipe: read.append(path) or really(path, recipe))
    ahead_of = []
    for done, _ in enumerate(prefetch._read_ahead(find_headers(data), RECIPE), start=1):
        ahead_of.append(len(read) - done)
    assert max(ahead_of) <= (1 if ahead == 0 else 2 * RECIPE.batch)


def test_a_signal_file_that_cannot_be_looked_at_is_left_to_be_read(tmp_path, monkeypatch):
    def failing(path, **_):
        raise OSError(5, "Input/output error")

    header = write_recording(tmp_path, "A0001")
    monkeypatch.setattr(Path, "stat", failing)
    assert signal_size(header) == 0


def test_a_recording_that_breaks_the_networks_fails_alone(data, model_folder, monkeypatch, capsys):
    model = load_model(model_folder, compute=CPU)
    headers = find_headers(data)
    expected = dict(driver.run_folder(model, headers))

    (((_, (breaks, _)),),) = prefetch.read_batches(headers[8:9], model.recipe)

    def breaking(model, views):
        if any(np.array_equal(samples, breaks) for samples, _ in views):
            raise MemoryError("too much")
        return run_recordings(model, views)

    monkeypatch.setattr(driver, "run_recordings", breaking)
    results = dict(driver.run_folder(model, headers))
    assert isinstance(results[headers[8]], RecordError) and "too much" in str(results[headers[8]])
    assert "each is run alone" in capsys.readouterr().out
    for path in headers:
        if path.stem not in ("A0003", "A0008", "A0011"):
            assert results[path][0] == expected[path][0]
            np.testing.assert_allclose(results[path][1], expected[path][1], atol=1e-6)
