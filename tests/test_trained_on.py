"""Digests of the training recordings: recognised by whoever has the signal, and no way back to a recording."""

import csv
import json

import numpy as np

from ecg.data.listing import find_recordings
from ecg.data.record import read_record, signal_digest
from ecg.model.description import read_description
from ecg.model.trained_on import TrainedOn
from tests.conftest import call_script, noise, write_recording


def test_a_trained_model_knows_its_recordings_and_no_others(model_folder, training_data, tmp_path):
    """Under another name and header too, but not with another sample."""
    trained_on = read_description(model_folder).trained_on
    for header in find_recordings(training_data):
        assert signal_digest(read_record(header)) in trained_on
    counts = read_record(find_recordings(training_data)[0]).counts
    assert signal_digest(read_record(write_recording(tmp_path, "B1", counts, gain="200/mV"))) in trained_on
    counts[3, 100] += 1
    assert signal_digest(read_record(write_recording(tmp_path, "B2", counts))) not in trained_on


def test_digests_do_not_tell_which_recordings_they_are_of(model_folder, training_data):
    """The names are not in model.json, the order is that of the digests, and another key gives other digests."""
    text = (model_folder / "model.json").read_text()
    assert not any(header.stem in text for header in find_recordings(training_data))
    digests = json.loads(text)["trained_on"]["digests"].split()
    assert digests == sorted(digests) and len(digests) == 20 and {len(digest) for digest in digests} == {16}
    signals = [signal_digest(read_record(header)) for header in find_recordings(training_data)]
    assert TrainedOn.of(signals, "a").digests.isdisjoint(TrainedOn.of(signals, "b").digests)


def test_a_model_without_digests_knows_no_recording(tmp_path):
    assert signal_digest(read_record(write_recording(tmp_path, "A1"))) not in TrainedOn()


def test_driver_and_evaluation_name_the_recordings_that_the_model_was_trained_on(model_folder, training_data, tmp_path):
    data = tmp_path / "data"
    for header in find_recordings(training_data)[:3]:
        write_recording(data, header.stem, read_record(header).counts)
    for i in range(4):
        write_recording(data, f"B{i}", noise(3000, seed=200 + i), comments=("#Dx: 426783006,39732003",))
    driven = call_script("driver.py", model_folder, data, tmp_path / "out")
    assert driven.returncode == 0 and "       3  the model was trained on them" in driven.stdout
    notes = list(csv.DictReader((tmp_path / "out/notes.csv").open()))
    assert [note["kind"] for note in notes] == ["trained on"] * 3
    scored = call_script("evaluate_model.py", data, tmp_path / "out")
    for header in find_recordings(training_data)[:3]:
        (data / f"{header.stem}.hea").unlink()
    others = call_script("evaluate_model.py", data, tmp_path / "out").stdout.splitlines()[1].split(",")[-1]
    assert f"The model was trained on 3 of the 7 recordings. The other 4: Challenge metric {others}" in scored.stdout


def test_digests_of_a_damaged_model_are_an_error(model_folder, training_data, tmp_path):
    content = json.loads((model_folder / "model.json").read_text())
    for damaged in ({"key": "xyz", "digests": ""}, {"key": "00" * 99, "digests": ""}, {"key": ""}, [], "", None, 7):
        (tmp_path / "model.json").write_text(json.dumps(content | {"trained_on": damaged}))
        result = call_script("driver.py", tmp_path, training_data, tmp_path / "out")
        assert result.returncode == 2 and "model.json: not a model of this entry" in result.stderr, damaged


def test_a_release_keeps_the_digests(model_folder, tmp_path):
    assert call_script("tools/release.py", model_folder, tmp_path / "release").returncode == 0
    assert read_description(tmp_path / "release").trained_on == read_description(model_folder).trained_on
    assert np.array_equal(
        read_description(tmp_path / "release").clinical_thresholds, read_description(model_folder).clinical_thresholds
    )
