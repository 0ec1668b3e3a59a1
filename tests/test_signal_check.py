"""What is no ECG is refused by the import too, and ordinary recordings have no findings."""

import csv

import numpy as np
import pytest

from ecg.data.header import parse_header
from ecg.data.record import make_record, read_record
from ecg.data.signal_check import POSSIBLE_HEIGHTS, as_counts, require_ecg, signal_findings, signal_height
from ecg.errors import RecordError
from ecg.simulation.dataset import simulate_folder
from tests.conftest import call_script, header_text, noise, write_recording


def record_of(counts: np.ndarray):
    return make_record(parse_header(header_text("A1", counts)), counts)


def test_simulated_recordings_are_ecgs_without_warnings(tmp_path):
    for header in simulate_folder(tmp_path, 30, seed=1):
        assert require_ecg(read_record(header), "A1") == []


@pytest.mark.parametrize("height", POSSIBLE_HEIGHTS)
def test_the_limits_of_the_height(height):
    """A wave from 0 to ``height``: refused just outside the limits."""
    wave = np.tile(np.linspace(-1, 1, 5000), (12, 1)) / 0.98 / 2
    for factor, is_ecg in ((0.9, height == POSSIBLE_HEIGHTS[1]), (1.1, height == POSSIBLE_HEIGHTS[0])):
        counts = np.rint(wave * height * factor).astype(np.int16)
        assert signal_height(counts) == pytest.approx(height * factor, rel=0.01, abs=1)
        assert ("height" in dict(signal_findings(record_of(counts)))) != is_ecg


def test_spikes_and_gaps_do_not_change_the_height():
    counts = noise(5000)
    changed = counts.copy()
    changed[:, ::401], changed[:, 1000:1400] = 30_000, -32768
    assert signal_height(changed) == pytest.approx(signal_height(counts), rel=0.05)


@pytest.mark.parametrize("units", ["counts", "uV", "UV", "µV"])
def test_microvolts_are_counts(units):
    assert np.array_equal(as_counts(noise(), units), noise())


def test_an_error_names_the_recording_the_reason_and_what_to_do():
    with pytest.raises(RecordError, match=r"^A7.hea: not an ECG: its height is 9 counts.*; name the unit .*units=.mV"):
        require_ecg(record_of(noise(5000) // 100), "A7.hea")


def test_the_import_refuses_what_its_header_makes_no_ecg(tmp_path):
    """A gain that is 1,000 times too large: millivolts become microvolts."""
    for name, gain in (("A1", "1000/mV"), ("A2", "1000/uV")):
        write_recording(tmp_path / "source", name, noise(5000), gain=gain)
    done = call_script("tools/import_records.py", "files", tmp_path / "source", tmp_path / "imported")
    assert done.returncode == 1 and "1 of 2 recordings imported" in done.stdout
    assert "A2.hea: not an ECG" in done.stdout and not (tmp_path / "imported/A2.hea").exists()


def test_explain_and_plot_still_show_what_is_no_ecg(tmp_path):
    """A person must be able to look at it."""
    header = write_recording(tmp_path, "A1", np.zeros((12, 5000), np.int16))
    assert call_script("tools/plot.py", header, tmp_path / "ecg.png").returncode == 0
    rows = call_script("tools/check_data.py", tmp_path, "--csv", tmp_path / "findings.csv")
    assert rows.returncode == 2
    assert [row["finding"] for row in csv.DictReader((tmp_path / "findings.csv").open())] == ["all leads flat"]
