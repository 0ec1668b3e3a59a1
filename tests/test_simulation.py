"""Simulated recordings: sound for anybody, the same bytes every time, readable by others, with every class."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg.classes import ABBREVIATIONS
from ecg.data.listing import find_headers
from ecg.data.record import LEADS, read_record
from ecg.errors import EntryError
from ecg.simulation.beats import qrs_waves, t_waves
from ecg.simulation.cases import SOURCES, classes, draw_case, draw_label_set
from ecg.simulation.conditions import conditions
from ecg.simulation.dataset import TO_LEARN_FROM, draw, simulate, simulated_record
from ecg.simulation.population import BROAD, MEASURED, TEXTBOOK
from ecg.simulation.signal import recording
from tests.conftest import run_script


@settings(max_examples=60, deadline=None)
@given(
    labels=st.sets(st.sampled_from(sorted(ABBREVIATIONS)).filter(lambda code: ABBREVIATIONS[code] in classes())),
    age=st.none() | st.floats(0, 130),
    sex=st.sampled_from(["female", "male", None]),
    rate=st.integers(100, 1000),
    seconds=st.floats(1, 40),
    seed=st.integers(0, 2**32),
    population=st.sampled_from([TEXTBOOK, BROAD, MEASURED]),
)
def test_anybody_has_a_sound_ecg(labels, age, sex, rate, seconds, seed, population):
    counts = recording(labels, age, sex, rate, seconds, np.random.default_rng(seed), population=population)
    assert counts.dtype == np.int16 and counts.shape == (12, round(rate * seconds))
    assert counts.min() >= -32767 and np.ptp(counts) > 0
    one, two, three, right, left, foot = counts[:6].astype(int)
    assert np.array_equal(three, two - one)
    for lead, twice in ((right, -one - two), (left, 2 * one - two), (foot, 2 * two - one)):
        assert np.abs(2 * lead - twice).max() <= 1


@pytest.mark.parametrize("population", [TEXTBOOK, BROAD, MEASURED])
@pytest.mark.parametrize("label", classes())
def test_no_wave_ends_before_it_begins(label, population):
    """Nor does one last for less than is seen at the rates of recordings: a narrow block has its notch all the same."""
    rng = np.random.default_rng(0)
    for others in ((), ("QAb",), ("LAnFB",)) * 20:
        heart, _ = conditions(frozenset({label, *others}), 60, "male", population, rng)
        assert min(min(one.rise, one.fall) for one in qrs_waves(heart, rng) + t_waves(heart, rng)) > 0.002


def test_codes_and_abbreviations_are_the_same():
    ecgs = [recording(labels, 50, None, 250, 4, np.random.default_rng(0)) for labels in (["PAC"], ["63593006"])]
    assert np.array_equal(*ecgs)


def test_an_unknown_label_is_an_error():
    with pytest.raises(EntryError, match="XYZ"):
        recording(["XYZ"], 50, "male", 500, 10, np.random.default_rng(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("simulated") / "new"
    simulate(path, 24, seed=3)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_same_seed_same_bytes(folder, tmp_path):
    np.random.seed(0)  # numpy's global state is of no matter
    paths = simulate(tmp_path, 24, seed=3)
    assert contents(tmp_path) == contents(folder) and sorted(paths) == sorted(tmp_path.glob("*.hea"))


def test_more_records_change_none(folder, tmp_path):
    paths = simulate(tmp_path, 5, seed=3)
    few, many = contents(tmp_path), contents(folder)
    assert len(few) == 2 * len(paths) + 1
    assert all(many[name] == content for name, content in few.items() if name != "README.txt")


def test_another_seed_another_folder(folder, tmp_path):
    simulate(tmp_path, 5, seed=4)
    assert not set(contents(tmp_path).values()) & set(contents(folder).values())


def test_wfdb_reads_the_same(folder):
    for path in find_headers(folder):
        record, other = read_record(path), wfdb.rdrecord(str(path.with_suffix("")), physical=False)
        assert np.array_equal(record.counts, other.d_signal.T) and record.mask.all()
        assert tuple(other.sig_name) == LEADS == record.header.leads
        assert other.fs == record.header.rate == SOURCES[record.header.source].rate
        assert other.units == ["mV"] * 12 and other.adc_gain == [1000] * 12
        assert np.array_equal(np.array(other.checksum) % 65536, np.array(other.calc_checksum()) % 65536)
        assert other.init_value == record.counts[:, 0].tolist()
        assert set(record.header.diagnoses) <= set(ABBREVIATIONS) and "Simulated: yes" in other.comments


def test_a_folder_with_recordings_is_left_alone(folder):
    before = contents(folder)
    with pytest.raises(EntryError, match="recordings already"):
        simulate(folder, 2, seed=9)
    assert contents(folder) == before


@pytest.mark.parametrize("records, seed", [(0, 0), (-1, 0), (1, -1)])
def test_impossible_numbers(tmp_path, records, seed):
    with pytest.raises(EntryError):
        simulate(tmp_path / "new", records, seed)


def test_every_class_is_in_a_small_folder():
    draws = [draw_label_set(index, np.random.default_rng([0, index])) for index in range(300)]
    counts = Counter(label for drawn in draws for label in drawn.labels)
    assert set(counts) == set(classes()) and min(counts.values()) >= 5
    assert Counter(drawn.source for drawn in draws).most_common(1)[0][0] == "HR"


def test_the_age_goes_with_the_labels():
    cases = [draw_case(index, np.random.default_rng([1, index])) for index in range(2000)]
    age = {label: np.mean([case.age for case in cases if case.age and label in case.labels]) for label in ("AF", "SA")}
    assert age["AF"] > 65 and age["SA"] < 55  # 71 and 52 in the Challenge's own recordings


def test_networks_learn_from_both_kinds_of_patients_in_turn():
    """Each kind shows all classes: there are 24, in succession."""
    for index, population in ((0, BROAD), (23, BROAD), (24, MEASURED), (47, MEASURED), (48, BROAD)):
        _, _, counts = draw(index, population, np.random.default_rng([7, index, TO_LEARN_FROM]))
        assert np.array_equal(simulated_record(7, index).counts, counts)


def test_the_tool_runs_from_anywhere(folder, tmp_path):
    done = run_script("tools/simulate.py", "made/here", "--records", 3, "--seed", 3, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    made = contents(tmp_path / "made" / "here")
    assert {name: made[name] for name in made if name != "README.txt"}.items() <= contents(folder).items()
    assert b"--records 3 --seed 3" in made["README.txt"]
    again = run_script("tools/simulate.py", "made/here", folder=tmp_path)
    assert again.returncode == 2 and again.stderr.startswith("error: ") and again.stderr.count("\n") == 1
