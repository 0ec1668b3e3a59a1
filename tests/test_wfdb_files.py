"""Signals in the WFDB's other formats, with headers as people have them: each has the values of the same .mat file."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg.data.listing import find_recordings
from ecg.data.record import INVALID, read_record
from ecg.data.signal_check import require_ecg
from ecg.errors import RecordError
from tests.conftest import LEADS, call_script, header_text, noise, replace_text, write_mat, write_recording
from tests.test_edf import edf

COUNTS = noise(1500)


def write_dat(
    folder: Path, name: str, counts: np.ndarray = COUNTS, record_line: str | None = None, leads=LEADS
) -> Path:
    """Write NAME.hea and NAME.dat, format 16."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.dat").write_bytes(counts.astype("<i2").tobytes(order="F"))
    text = header_text(name, counts, form="16", leads=leads).replace(f"{name}.mat", f"{name}.dat")
    lines = text.split("\n")
    lines[0] = record_line or lines[0]
    path = folder / f"{name}.hea"
    path.write_text("\n".join(lines))
    return path


DATES = (
    "2014-05-08 05:05:15",
    "2006",
    "05:05:15 02/09/89",
    "00:00:00 31-Dec-2020",
    "5/8/2014",
    "yesterday",
    "0:0:0.123",
)


@pytest.mark.parametrize("date", DATES)
def test_dates_in_any_form(tmp_path, date):
    path = write_dat(tmp_path, "A1", record_line=f"A1 12 500 1500 {date}")
    assert np.array_equal(read_record(path).counts, COUNTS)


@pytest.mark.parametrize("name", ["A 1", "A.1", "A(1)", "A[1]", "A 1 (copy)", "\u5fc3", "A'1", "A&1", "A#1", "-A1"])
def test_names_with_blanks_dots_and_brackets(tmp_path, name):
    assert np.array_equal(read_record(write_dat(tmp_path, name)).counts, COUNTS)


def test_files_that_were_renamed_together(tmp_path):
    path = write_dat(tmp_path, "A1")
    for file in (path, path.with_suffix(".dat")):
        file.rename(file.with_name(f"renamed{file.suffix}"))
    assert np.array_equal(read_record(tmp_path / "renamed.hea").counts, COUNTS)


def test_a_signal_shorter_than_its_header_says_is_like_a_short_mat_file(tmp_path):
    path = write_dat(tmp_path, "A1", record_line="A1 12 500 2000")
    with pytest.raises(RecordError, match="says 2000 samples, its signal file holds 1500"):
        read_record(path)
    assert np.array_equal(read_record(path, lenient=True).counts, COUNTS)


def write_by_wfdb(folder: Path, form: str, stored: np.ndarray, gain: float = 1000.0, baseline: int = 0) -> Path:
    scale = {"adc_gain": [gain] * 12, "baseline": [baseline] * 12}
    signal = {"d_signal": stored.T.astype(int), "fmt": [form] * 12}
    wfdb.wrsamp("A1", 500, ["mV"] * 12, list(LEADS), write_dir=str(folder), **signal, **scale)
    return folder / "A1.hea"


@pytest.mark.parametrize("form", ["16", "24", "32", "212", "80"])
def test_formats_that_wfdb_writes(tmp_path, form):
    counts = COUNTS // 5 if form == "80" else COUNTS
    assert np.array_equal(read_record(write_by_wfdb(tmp_path, form, counts)).counts, counts)


@pytest.mark.parametrize(("form", "dtype", "zero"), [("160", "<u2", 32768), ("61", ">i2", 0)])
def test_unsigned_samples_and_those_of_the_other_byte_order(tmp_path, form, dtype, zero):
    path = write_dat(tmp_path, "A1")
    path.write_text(path.read_text().replace("A1.dat 16 ", f"A1.dat {form} "))
    path.with_suffix(".dat").write_bytes((COUNTS.astype(int) + zero).astype(dtype).tobytes(order="F"))
    assert np.array_equal(read_record(path).counts, COUNTS)


@pytest.mark.parametrize("form", ["24", "32"])
def test_samples_beyond_16_bits_are_converted_by_the_header(tmp_path, form):
    """As many recorders write them: a fine gain and a large baseline. Before, they were clipped to a flat line."""
    gain, baseline = 634_411.7125 / (8 if form == "24" else 1), -1_842_966
    stored = np.rint(COUNTS / 1000 * gain + baseline)
    record = read_record(write_by_wfdb(tmp_path, form, stored, gain, baseline))
    assert np.array_equal(record.counts, COUNTS)
    assert "more than 16 bits: counts beyond 32767" in require_ecg(record, "A1")


def write_segments(folder: Path) -> Path:
    """A1 in two parts with a gap between them; the second part lacks V6 and has the leads in another order."""
    write_dat(folder, "A1_0001", COUNTS[:, :500])
    write_dat(folder, "A1_0002", COUNTS[10::-1, 700:], leads=LEADS[10::-1])
    parts = "A1_layout 0\nA1_0001 500\n~ 200\nA1_0002 800\n"
    (folder / "A1.hea").write_text(f"A1/4 12 500 1500\n{parts}#Age: 50\n#Dx: 426783006\n")
    return folder / "A1.hea"


def test_the_parts_of_a_recording_are_joined(tmp_path):
    path = write_segments(tmp_path)
    record, expected = read_record(path), COUNTS.copy()
    expected[:, 500:700], expected[11, 700:] = INVALID, INVALID
    assert np.array_equal(record.counts, expected)
    assert (record.header.name, record.header.age, record.header.diagnoses) == ("A1", 50, ("426783006",))
    assert find_recordings(tmp_path) == [path]


def test_parts_run_and_are_imported_as_one_recording(model_folder, tmp_path):
    write_segments(tmp_path / "data")
    result = call_script("driver.py", model_folder, tmp_path / "data", tmp_path / "out")
    assert result.returncode == 0 and "1 of 1 recordings done" in result.stdout
    assert call_script("tools/import_records.py", "files", tmp_path / "data", tmp_path / "imported").returncode == 0
    imported, record = read_record(tmp_path / "imported/A1.hea"), read_record(tmp_path / "data/A1.hea")
    assert np.array_equal(imported.counts, record.counts)


def test_parts_with_other_gains_leads_and_files_are_joined_in_the_terms_of_the_first(tmp_path):
    """Before, the counts of all parts counted alike, and leads that the first part lacks were dropped."""
    write_dat(tmp_path, "A1_0001", COUNTS[:11, :700], leads=LEADS[:11])
    write_recording(tmp_path, "A1_0002", 2 * COUNTS[:, 700:] + 10, gain="2000(10)/mV")
    replace_text(tmp_path / "A1_0002.hea", " aVR", " Lead aVR")
    (tmp_path / "A1.hea").write_text("A1/2 12 500 1500\nA1_0001 700\nA1_0002 800\n")
    record, expected = read_record(tmp_path / "A1.hea"), COUNTS.copy()
    expected[11, :700] = INVALID
    expected[11, 700:] = 2 * COUNTS[11, 700:] + 10  # V6 has the gain of the only part with it
    assert np.array_equal(record.counts, expected)
    assert call_script("tools/import_records.py", "files", tmp_path, tmp_path / "new/data").returncode == 0
    expected[11, 700:] = COUNTS[11, 700:]
    assert np.array_equal(read_record(tmp_path / "new/data/A1.hea").counts, expected)


def test_another_signal_of_unknown_unit_does_no_harm(tmp_path):
    for name, gain, unit in (("A1_0001", 1000, "NU"), ("A1_0002", 2000, "mmHg")):
        path = write_dat(tmp_path, name, noise(500, 13), leads=(*LEADS, "Resp"))
        replace_text(path, " 1000/mV", f" {gain}/mV")
        replace_text(path, f" {gain}/mV 16 0 {noise(500, 13)[12, 0]} 0 0 Resp", f" 5/{unit} 16 0 0 0 0 Resp")
    (tmp_path / "A1.hea").write_text("A1/2 13 500 1000\nA1_0001 500\nA1_0002 500\n")
    expected = noise(500, 13)[:12]
    record = read_record(tmp_path / "A1.hea")
    assert np.abs(record.counts - np.hstack([expected, expected / 2])).max() <= 1


def test_parts_of_other_rates_are_refused(tmp_path):
    path = write_segments(tmp_path)
    replace_text(tmp_path / "A1_0002.hea", "A1_0002 11 500", "A1_0002 11 250")
    with pytest.raises(RecordError, match="A1.hea: its parts have other sampling rates"):
        read_record(path)


def write_frames(folder: Path, name: str = "A1") -> Path:
    """Frames of four samples of each lead and one of a slow signal, as PhysioNet's sleep recordings have."""
    frames = COUNTS.reshape(12, -1, 4).transpose(1, 0, 2).reshape(-1, 48)
    slow = np.arange(len(frames))[:, np.newaxis]
    (folder / f"{name}.dat").write_bytes(np.hstack([frames, slow]).astype("<i2").tobytes())
    lines = [f"{name}.dat 16x4 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS] + [f"{name}.dat 16 10/mmHg 16 0 0 0 0 ABP"]
    (folder / f"{name}.hea").write_text("\n".join([f"{name} 13 125 {len(frames)}", *lines, "#Dx: 426783006"]) + "\n")
    return folder / f"{name}.hea"


def test_frames_with_several_samples_of_each_lead(tmp_path):
    """Before, the leads were averaged to the rate of the frames."""
    record = read_record(write_frames(tmp_path))
    assert record.header.rate == 500 and record.header.samples == 1500
    assert np.array_equal(record.counts, COUNTS)
    (tmp_path / "B1.hea").write_text("B1/3 13 125 800\nA1 375\n~ 50\nA1 375\n")
    joined = read_record(tmp_path / "B1.hea")
    gap = np.full((12, 200), INVALID)
    assert joined.header.rate == 500 and np.array_equal(joined.counts, np.hstack([COUNTS, gap, COUNTS]))
    replace_text(tmp_path / "A1.hea", "16x4 1000/mV 16 0 0 0 0 V6", "16x2 1000/mV 16 0 0 0 0 V6")
    with pytest.raises(RecordError, match="different sampling rates"):
        read_record(tmp_path / "A1.hea")


def test_signal_files_in_any_case_and_below_the_header(tmp_path):
    path = write_dat(tmp_path, "A1")
    for named, file in (("a1.DAT", "A1.dat"), ("./A1.dat", "A1.dat"), ("signals/A1.dat", "signals/A1.dat")):
        replace_text(path, "A1.dat 16", f"{named} 16")
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / "A1.dat").rename(tmp_path / file)
        assert np.array_equal(read_record(path).counts, COUNTS), named
        replace_text(path, f"{named} 16", "A1.dat 16")
    capital = write_recording(tmp_path / "mat", "A1", COUNTS)
    capital.with_suffix(".mat").rename(capital.with_suffix(".Mat"))
    assert np.array_equal(read_record(capital).counts, COUNTS)


def test_the_file_that_a_header_names_goes_before_another_beside_it(tmp_path):
    path = write_dat(tmp_path, "A1")
    write_mat(tmp_path / "A1.mat", noise(9, seed=3))  # of something else
    assert np.array_equal(read_record(path).counts, COUNTS)
    (tmp_path / "A1.dat").unlink()
    write_mat(tmp_path / "A1.mat", COUNTS)
    assert np.array_equal(read_record(path).counts, COUNTS)


def test_an_offset_beyond_16_bits_is_subtracted_and_noted(tmp_path):
    """Recorders that keep the electrodes' offset; before, the leads were clipped to flat lines and refused."""
    offsets = np.array([0, 120_000, *[-80_000] * 10])
    content = edf(COUNTS[:, :1000].astype(int) * 2 + offsets[:, np.newaxis] * 2, width=3)
    (tmp_path / "A1.bdf").write_bytes(
        content.replace(b"-16384  ", b"-4194304")
        .replace(b"16383.5 ", b"4194303 ")
        .replace(b"-32768  ", b"-8388608")
        .replace(b"32767   ", b"8388606 ")
    )
    record = read_record(tmp_path / "A1.bdf")
    median = np.median(record.counts.astype(float) - COUNTS[:, :1000], axis=1)
    assert median[0] == 0 and np.all(abs(record.counts - (COUNTS[:, :1000] + median[:, np.newaxis])) <= 1)
    assert f"large offset: {', '.join(LEADS[1:])}" in require_ecg(record, "A1")
    assert call_script("tools/import_records.py", "files", tmp_path, tmp_path / "new").returncode == 0
    imported = read_record(tmp_path / "new/A1.hea")
    assert np.array_equal(imported.counts, record.counts)
    assert all(abs(-line.baseline - offset) < 1000 for line, offset in zip(imported.header.signals, offsets))


SMOOTH = np.cumsum(np.random.default_rng(1).integers(-9, 10, (12, 4000)), axis=1).astype(np.int16)


def test_a_file_with_other_signals_than_the_header_describes_is_refused(tmp_path):
    """Before, every lead was a mixture of all of them, without a word."""
    path = write_dat(tmp_path, "A1", SMOOTH)
    lines = path.read_text().split("\n")
    for number in (11, 8):
        path.write_text("\n".join([f"A1 {number} 500 4000", *lines[1 : number + 1], *lines[13:]]))
        with pytest.raises(
            RecordError, match=f"A1.dat holds 12 signals of 4,000 samples, the header describes {number}"
        ):
            read_record(path, lenient=True)


@pytest.mark.parametrize("claimed", [2000, 3000, 3200])
def test_a_signal_longer_than_its_header_says_is_like_a_long_mat_file(tmp_path, claimed):
    """Also if it has room for 24, 16 or 15 signals of that length."""
    path = write_dat(tmp_path, "A1", SMOOTH, record_line=f"A1 12 500 {claimed}")
    with pytest.raises(RecordError, match=f"says {claimed} samples, its signal file holds 4000"):
        read_record(path)
    assert np.array_equal(read_record(path, lenient=True).counts, SMOOTH)


def test_padding_behind_the_samples_is_left_out(tmp_path):
    path = write_dat(tmp_path, "A1")
    with path.with_suffix(".dat").open("ab") as file:
        file.write(bytes(512))
    assert np.array_equal(read_record(path).counts, COUNTS)


def test_a_copy_is_read_from_its_own_file(tmp_path):
    """A browser names a second download "A1 (1)"; its header still names A1.dat, which is another recording's."""
    write_dat(tmp_path, "A1", noise(1500, seed=9))
    copy = write_dat(tmp_path, "A1 (1)")
    replace_text(copy, "A1 (1).dat", "A1.dat")
    assert np.array_equal(read_record(copy).counts, COUNTS)


def test_a_missing_file_of_other_signals_does_no_harm(tmp_path):
    """PTB has the Frank leads in a file of their own."""
    path = write_dat(tmp_path, "A1")
    frank = "".join(f"A1.xyz 16 2000/mV 16 0 0 0 0 v{axis}\n" for axis in "xyz")
    path.write_text(path.read_text().replace("A1 12", "A1 15").replace("#Age", f"{frank}#Age"))
    assert np.array_equal(read_record(path).counts, COUNTS)


def test_the_shortest_of_several_files_is_named(tmp_path):
    path = write_dat(tmp_path, "A1", COUNTS[:11], leads=LEADS[:11])
    text = path.read_text().replace("A1 11", "A1 12").replace("#Age", "A1_v6.dat 16 1000/mV 16 0 0 0 0 V6\n#Age")
    path.write_text(text)
    (tmp_path / "A1_v6.dat").write_bytes(COUNTS[11, :900].tobytes())
    with pytest.raises(RecordError, match="A1_v6.dat is shorter than the other signal files"):
        read_record(path, lenient=True)


@pytest.mark.parametrize("gain", ["2000/adu", "0/mV"])
def test_parts_whose_gain_is_unknown_are_refused(tmp_path, gain):
    path = write_segments(tmp_path)
    replace_text(tmp_path / "A1_0002.hea", "1000/mV", gain)
    with pytest.raises(RecordError, match="A1_0002: the gain of I is"):
        read_record(path)


def test_parts_with_blanks_in_their_names_and_tabs_in_their_lines(tmp_path):
    for name, counts in (("A 1_0001", COUNTS[:, :500]), ("A 1_0002", COUNTS[:, 500:])):
        write_dat(tmp_path, name, counts)
    (tmp_path / "A 1.hea").write_text("A 1/2 12 500 1500\nA 1_0001\t500\nA 1_0002 1000.0 x\n")
    assert [path.name for path in find_recordings(tmp_path)] == ["A 1.hea"]
    assert np.array_equal(read_record(tmp_path / "A 1.hea").counts, COUNTS)


def test_age_and_sex_of_the_first_part(tmp_path):
    path = write_segments(tmp_path)
    replace_text(path, "#Age: 50\n", "")
    header = read_record(path).header
    assert (header.age, header.sex, header.diagnoses) == (60, "female", ("426783006",))


def test_a_missing_part_is_an_error_that_names_it(tmp_path):
    path = write_segments(tmp_path)
    (tmp_path / "A1_0002.dat").unlink()
    with pytest.raises(RecordError, match="A1_0002.hea: there is no signal file A1_0002.dat"):
        read_record(path)
    path.write_text("A1/1 12 500 500\n../A1_0001 500\n")
    with pytest.raises(RecordError, match="part outside its own folder"):
        read_record(path)
    path.write_text("A1/1 12 500 500\n~ 500\n")
    with pytest.raises(RecordError, match="hold no signal"):
        read_record(path)
    path.write_text(f"A1/2 12 500 500\nA1_0001 500\n~ {10**30}\n")
    with pytest.raises(RecordError, match="lasts more than 48 hours"):
        read_record(path)
