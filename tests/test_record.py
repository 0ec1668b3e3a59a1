"""Reading recordings: the signals of every file format, in the canonical order of leads, or a clear error."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import wfdb

from ecg.data.header import parse_header
from ecg.data.lead_names import LEADS
from ecg.data.record import INVALID, Record, make_record, read_record
from ecg.errors import RecordError
from tests.conftest import header_text, noise, write_mat, write_recording


def record_of(counts: np.ndarray, leads=LEADS) -> Record:
    return make_record(parse_header(header_text("A1", counts, leads=leads)), counts)


def write_wfdb(folder: Path, form: str = "16", **signal: np.ndarray) -> Path:
    """Write R1.hea and R1.dat, with 12 leads at 500 Hz, to ``folder``; return the header's path."""
    folder.mkdir(exist_ok=True)
    of_leads = {"fmt": [form] * 12, "adc_gain": [1000.0] * 12, "baseline": [0] * 12}
    wfdb.wrsamp("R1", 500, ["mV"] * 12, list(LEADS), **signal, **of_leads, write_dir=str(folder))
    return folder / "R1.hea"


def test_recording_is_read_as_by_wfdb(tmp_path):
    path = write_recording(tmp_path, "A0001", noise(777, seed=3), rate="257")
    record, reference = read_record(path), wfdb.rdrecord(str(tmp_path / "A0001"), physical=False)
    np.testing.assert_array_equal(record.counts, reference.d_signal.T)
    assert (record.header.rate, list(record.header.leads)) == (reference.fs, reference.sig_name)
    assert record.mask.all() and record.counts.dtype == np.int16


def test_leads_in_another_order_are_sorted():
    counts, order = noise(200), [5, 0, 11, 3, 7, 1, 2, 9, 4, 8, 6, 10]
    np.testing.assert_array_equal(record_of(counts[order], [LEADS[i] for i in order]).counts, counts)


def test_missing_leads_are_zero_and_masked():
    counts = noise(200)[:2]
    record = record_of(counts, ("ii", "V5"))
    assert record.mask.sum() == 2 and record.counts[1].tolist() == counts[0].tolist()
    assert not record.counts[~record.mask].any()


def test_first_of_two_leads_with_the_same_name_counts():
    counts = noise(200)[:3]
    record = record_of(counts, ("I", "I", "X"))
    assert record.counts[0].tolist() == counts[0].tolist() and record.mask.sum() == 1


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.float32, np.float64, ">i2"])
def test_any_number_type_becomes_counts(dtype):
    counts = noise(100)
    np.testing.assert_array_equal(record_of(counts.astype(dtype)).counts, counts)


def test_values_outside_int16_are_clipped_and_non_finite_ones_are_invalid():
    counts = noise(100)
    header = parse_header(header_text("A1", counts))
    values = counts.astype(float)
    values[0, :4] = np.nan, np.inf, 1e9, -1e9
    assert make_record(header, values).counts[0, :4].tolist() == [INVALID, INVALID, 32767, -32767]


def test_header_and_signal_that_contradict_each_other_are_an_error(tmp_path):
    counts = noise(100)
    with pytest.raises(RecordError, match="12 leads in the header"):
        make_record(parse_header(header_text("A1", counts)), counts[:11])
    with pytest.raises(RecordError, match="none of the leads"):
        record_of(counts[:2], ("X", "Y"))
    path = write_recording(tmp_path, "A1", counts)
    write_mat(tmp_path / "A1.mat", counts[:, :90])
    with pytest.raises(RecordError, match=r"A1.hea: says 100 samples, its signal file holds 90"):
        read_record(path)


@pytest.mark.parametrize("size", [0, 10, 24, 1000])
def test_truncated_signal_file_is_named(tmp_path, size):
    path = write_recording(tmp_path, "A1")
    signal = tmp_path / "A1.mat"
    signal.write_bytes(signal.read_bytes()[:size])
    with pytest.raises(RecordError, match="A1.mat"):
        read_record(path)


def test_missing_signal_file_is_named(tmp_path):
    path = write_recording(tmp_path, "A1")
    (tmp_path / "A1.mat").unlink()
    with pytest.raises(RecordError, match="A1.mat: cannot be read"):
        read_record(path)


@pytest.mark.parametrize("form", ["4", "5"])
def test_float64_matlab_files_are_read(tmp_path, form):
    counts = noise(60)
    path = write_recording(tmp_path, "A1", counts)
    scipy.io.savemat(tmp_path / "A1.mat", {"val": counts.astype(np.float64)}, format=form)
    np.testing.assert_array_equal(read_record(path).counts, counts)


@pytest.mark.parametrize("outside", ["../R1.dat", "{parent}/R1.dat"])
def test_wfdb_signals_are_read_only_from_the_folder_of_the_header(tmp_path, outside):
    counts = noise(500)
    header = write_wfdb(tmp_path / "inside", d_signal=counts.T.astype(np.int64))
    np.testing.assert_array_equal(read_record(header).counts, counts)
    (tmp_path / "R1.dat").write_bytes(header.with_suffix(".dat").read_bytes())
    header.write_text(header.read_text().replace("R1.dat", outside.format(parent=tmp_path)))
    with pytest.raises(RecordError, match="outside its own folder"):
        read_record(header)


@pytest.mark.parametrize("form, highest", [("80", 100), ("212", 2000), ("16", 30000), ("24", 30000), ("32", 30000)])
def test_missing_samples_are_invalid_in_every_wfdb_format(tmp_path, form, highest):
    """Each format has its own mark for a missing sample."""
    counts = np.clip(noise(500), -highest, highest).astype(float)
    counts[3, 100:150] = np.nan
    header = write_wfdb(tmp_path, form, p_signal=counts.T / 1000)
    np.testing.assert_array_equal(read_record(header).counts, np.where(np.isnan(counts), INVALID, counts))
