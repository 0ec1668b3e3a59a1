"""The measures of an ECG: right in simulated recordings, "not measurable" where they do not hold."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.delineation import errors, simulated_case
from ecg.data.record import INVALID, LEADS, read_record
from ecg.report.measures import Measures, measure
from ecg.report.paper import measures_line
from tests.conftest import noise, run_script, write_recording


@pytest.mark.parametrize("label", ["SNR", "IAVB", "CRBBB", "LAD", "LQT"])
def test_the_measures_are_those_of_the_simulated_heart(label):
    error = errors(measure, label, recordings=8)
    largest = {"rate": 1, "pr": 10, "qrs": 14, "qt": 14, "axis": 5}
    for figure, limit in largest.items():
        assert np.nanmedian(error[figure]) < limit, figure
    assert not np.isnan(error["rate"]).any() and np.isnan(error["qt"]).mean() < 0.3


def test_there_is_no_pr_interval_without_p_waves():
    assert np.isnan(errors(measure, "AF", recordings=12)["pr"]).all()


def test_noise_and_silence_are_not_measurable(tmp_path):
    record = read_record(write_recording(tmp_path, "A1", noise(5000)))
    assert measure(record) == Measures()
    for counts in (np.zeros((12, 5000), np.int16), np.full((12, 5000), INVALID, np.int16), np.zeros((12, 1), np.int16)):
        assert measure(replace(record, counts=counts)) == Measures()


@pytest.mark.parametrize("rate", [1.0, 50.0, 120.0, 257.0, 1000.0])
def test_any_sampling_rate_and_length_is_measured_or_refused(rate):
    record, _ = simulated_case("SNR", 1)
    for samples in (1, 30, 700, 5000):
        counts = record.counts[:, :samples]
        measures = measure(replace(record, counts=counts, header=replace(record.header, rate=rate)))
        assert all(value is None or np.isfinite(value) for value in vars(measures).values())


def test_the_axis_needs_leads_i_and_avf():
    record, truth = simulated_case("LAD", 2)
    assert measure(record).axis == pytest.approx(truth.axis, abs=5)
    counts, mask = record.counts.copy(), np.isin(LEADS, ("I", "V1", "V2", "V5"))
    counts[~mask] = 0
    assert measure(replace(record, counts=counts, mask=mask)).axis is None


def test_the_line_says_what_is_not_measurable(tmp_path):
    record, _ = simulated_case("SNR", 2)
    assert "/min · PR" in measures_line(record) and "ms (Bazett) · axis" in measures_line(record)
    silent = replace(record, counts=np.zeros((12, 5000), np.int16))
    assert measures_line(silent).count("not measurable") == 5
    header = write_recording(tmp_path, "A1", record.counts)
    assert run_script("tools/plot.py", header, tmp_path / "ecg.svg").returncode == 0
    assert "Measured by program" in (tmp_path / "ecg.svg").read_text()
