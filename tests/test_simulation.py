"""Simulated recordings are valid for any person, reproducible to the byte, readable by wfdb, and show every class."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg.classes import ABBREVIATIONS
from ecg.data.lead_names import LEADS
from ecg.data.listing import find_recordings
from ecg.data.record import read_record
from ecg.errors import EntryError
from ecg.simulation.beats import qrs_waves, t_waves
from ecg.simulation.cases import SOURCES, draw_case, draw_label_set, scored_classes
from ecg.simulation.conditions import draw_heart_and_rhythm
from ecg.simulation.dataset import TRAINING_STREAM, draw_recording, simulate_folder, simulated_record
from ecg.simulation.population import BROAD, MEASURED, TEXTBOOK
from ecg.simulation.signal import simulate_signal
from tests.conftest import run_script


@settings(max_examples=60, deadline=None)
@given(
    labels=st.sets(st.sampled_from(sorted(ABBREVIATIONS)).filter(lambda code: ABBREVIATIONS[code] in scored_classes())),
    age=st.none() | st.floats(0, 130),
    sex=st.sampled_from(["female", "male", None]),
    rate=st.integers(100, 1000),
    seconds=st.floats(1, 40),
    seed=st.integers(0, 2**32),
    population=st.sampled_from([TEXTBOOK, BROAD, MEASURED]),
)
def test_any_person_has_a_valid_ecg(labels, age, sex, rate, seconds, seed, population):
    counts = simulate_signal(labels, age, sex, rate, seconds, np.random.default_rng(seed), population=population)
    assert counts.dtype == np.int16 and counts.shape == (12, round(rate * seconds))
    assert -32767 <= counts.min() < counts.max()
    one, two, three, avr, avl, avf = counts[:6].astype(int)
    assert np.array_equal(three, two - one)
    for lead, doubled in ((avr, -one - two), (avl, 2 * one - two), (avf, 2 * two - one)):
        assert np.abs(2 * lead - doubled).max() <= 1


@pytest.mark.parametrize("population", [TEXTBOOK, BROAD, MEASURED])
@pytest.mark.parametrize("label", scored_classes())
def test_waves_are_long_enough_to_be_sampled(label, population):
    """In particular, no wave ends before it begins, and a narrow QRS with a block still has its notch."""
    rng = np.random.default_rng(0)
    for others in ((), ("QAb",), ("LAnFB",)) * 20:
        heart, _ = draw_heart_and_rhythm(frozenset({label, *others}), 60, "male", population, rng)
        assert min(min(wave.rise, wave.fall) for wave in qrs_waves(heart, rng) + t_waves(heart, rng)) > 0.002


def test_codes_and_abbreviations_give_the_same_signal():
    signals = [simulate_signal([label], 50, None, 250, 4, np.random.default_rng(0)) for label in ("PAC", "63593006")]
    assert np.array_equal(*signals)


def test_an_unknown_label_is_an_error():
    with pytest.raises(EntryError, match="XYZ"):
        simulate_signal(["XYZ"], 50, "male", 500, 10, np.random.default_rng(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("simulated") / "new"
    simulate_folder(path, 24, seed=3)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    np.random.seed(0)  # the global random state must not matter
    paths = simulate_folder(tmp_path, 24, seed=3)
    assert contents(tmp_path) == contents(folder) and sorted(paths) == sorted(tmp_path.glob("*.hea"))


def test_the_number_of_records_changes_no_record(folder, tmp_path):
    paths = simulate_folder(tmp_path, 5, seed=3)
    few, many = contents(tmp_path), contents(folder)
    assert len(few) == 2 * len(paths) + 1
    assert all(many[name] == content for name, content in few.items() if name != "README.txt")


def test_another_seed_gives_other_files(folder, tmp_path):
    simulate_folder(tmp_path, 5, seed=4)
    assert not set(contents(tmp_path).values()) & set(contents(folder).values())


def test_wfdb_reads_the_same_signal_and_header(folder):
    for path in find_recordings(folder):
        record, other = read_record(path), wfdb.rdrecord(str(path.with_suffix("")), physical=False)
        assert np.array_equal(record.counts, other.d_signal.T) and record.mask.all()
        assert tuple(other.sig_name) == LEADS == record.header.leads
        assert other.fs == record.header.rate == SOURCES[record.header.source].rate
        assert other.units == ["mV"] * 12 and other.adc_gain == [1000] * 12
        assert np.array_equal(np.array(other.checksum) % 65536, np.array(other.calc_checksum()) % 65536)
        assert other.init_value == record.counts[:, 0].tolist()
        assert set(record.header.diagnoses) <= set(ABBREVIATIONS) and "Simulated: yes" in other.comments


def test_a_folder_with_recordings_is_not_changed(folder):
    before = contents(folder)
    with pytest.raises(EntryError, match="recordings already"):
        simulate_folder(folder, 2, seed=9)
    assert contents(folder) == before


@pytest.mark.parametrize("records, seed", [(0, 0), (-1, 0), (1, -1)])
def test_numbers_out_of_range_are_errors(tmp_path, records, seed):
    with pytest.raises(EntryError):
        simulate_folder(tmp_path / "new", records, seed)


def test_a_small_folder_has_every_class():
    label_sets = [draw_label_set(index, np.random.default_rng([0, index])) for index in range(300)]
    counts = Counter(label for label_set in label_sets for label in label_set.labels)
    assert set(counts) == set(scored_classes()) and min(counts.values()) >= 5
    assert Counter(label_set.source for label_set in label_sets).most_common(1)[0][0] == "HR"


def test_the_age_depends_on_the_labels():
    cases = [draw_case(index, np.random.default_rng([1, index])) for index in range(2000)]
    age = {label: np.mean([case.age for case in cases if case.age and label in case.labels]) for label in ("AF", "SA")}
    assert age["AF"] > 65 and age["SA"] < 55  # 71 and 52 in the Challenge's recordings


def test_training_records_alternate_between_two_populations():
    """A population has 24 records in a row, one for the turn of each class."""
    for index, population in ((0, BROAD), (23, BROAD), (24, MEASURED), (47, MEASURED), (48, BROAD)):
        _, _, counts = draw_recording(index, population, np.random.default_rng([7, index, TRAINING_STREAM]))
        assert np.array_equal(simulated_record(7, index).counts, counts)


def test_the_tool_runs_from_any_folder(folder, tmp_path):
    result = run_script("tools/simulate.py", "some/folder", "--records", 3, "--seed", 3, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    files = contents(tmp_path / "some" / "folder")
    assert b"--records 3 --seed 3" in files.pop("README.txt")
    assert files.items() <= contents(folder).items()
    repeated = run_script("tools/simulate.py", "some/folder", folder=tmp_path)
    assert repeated.returncode == 2 and repeated.stderr.startswith("error: ") and repeated.stderr.count("\n") == 1
