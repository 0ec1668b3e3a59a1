"""Headers and signals as they come: each oddity seen in real files has a right result or a clear error."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import wfdb
from hypothesis import given
from hypothesis import strategies as st

from ecg.data.header import parse_header, read_diagnoses, read_header
from ecg.data.listing import find_headers
from ecg.data.record import INVALID, LEADS, make_record, read_record
from ecg.errors import EntryError, RecordError
from tests.conftest import header_text, noise, write_mat, write_recording


def header(*comments: str, **changes):
    return parse_header(header_text("A0001", noise(100), comments=comments, **changes))


def test_a_recording_is_read_as_wfdb_reads_it(tmp_path):
    path = write_recording(tmp_path, "A0001", noise(777, seed=3), rate="257")
    record, reference = read_record(path), wfdb.rdrecord(str(tmp_path / "A0001"), physical=False)
    np.testing.assert_array_equal(record.counts, reference.d_signal.T)
    assert (record.header.rate, list(record.header.leads)) == (reference.fs, reference.sig_name)
    assert record.mask.all() and record.counts.dtype == np.int16


@pytest.mark.parametrize(
    ("comment", "age"),
    [
        ("#Age: 74", 74),
        ("# Age: 74", 74),
        ("#Age: 74.0", 74),
        ("#Age: 116", 116),
        ("#Age: 0", 0),
        ("#Age: NaN", None),
        ("#Age: Unknown", None),
        ("#Age: -3", None),
        ("#Age: 300", None),
        ("#Age:", None),
        ("#nothing", None),
    ],
)
def test_age(comment, age):
    assert header(comment).age == age


@pytest.mark.parametrize(
    ("text", "sex"),
    [
        *((text, "male") for text in ("Male", "male", "M", "m")),
        *((text, "female") for text in ("Female", "female", "F", "f")),
        *((text, None) for text in ("NaN", "Unknown", "", "Fluid")),
    ],
)
def test_sex(text, sex):
    assert header(f"#Sex: {text}").sex == sex


@pytest.mark.parametrize(
    ("comments", "codes"),
    [
        (["#Dx: 1,2"], ("1", "2")),
        (["# Dx: 1, 2"], ("1", "2")),
        (["#Dx: 1,2,"], ("1", "2")),
        (["#Dx: 1,,2"], ("1", "2")),
        (["#Dx: 2,1,2"], ("2", "1")),
        (["#Dx: 1", "#Dx: 2"], ("1", "2")),
        (["#Dx:"], ()),
        (["#Age: 50"], ()),
    ],
)
def test_diagnoses(comments, codes):
    assert header(*comments).diagnoses == codes


@pytest.mark.parametrize(
    "line",
    ["A0001 12 500 100 05-Feb-2020 11:39:16", "A0001 12 500 100", "A0001.mat 12 500/1000(0) 100", "A0001 12 500"],
)
def test_the_record_line(line):
    text = "\r\n".join([line, *header_text("A0001", noise(100)).split("\n")[1:]])
    parsed = parse_header("\ufeff" + text)
    assert (parsed.name, parsed.rate, parsed.samples) == ("A0001", 500, 100 if line[-3:] != "500" else None)
    assert parsed.leads == LEADS and parsed.source == "A" and parsed.sex == "female"


def test_other_ways_to_write_a_signal_line():
    for gain, form in (("1000.0(0)/mv", "16x1+24"), ("4880/mV", "16+24"), ("2000000(-5)/mV", "16"), ("200", "16")):
        signal = header(gain=gain, form=form).signals[0]
        assert signal.gain == float(gain.split("/")[0].split("(")[0]) and signal.lead == "I"


def test_a_header_is_named_after_its_file(tmp_path):
    path = write_recording(tmp_path, "E07500")
    path.write_text(path.read_text().replace("E07500 12", "E07500.mat 12"))
    assert read_record(path).header.name == "E07500"


def test_text_and_lines_are_the_same_header():
    text = header_text("A0001", noise(50))
    assert parse_header(text) == parse_header(text.splitlines(keepends=True)) == parse_header(text.split("\n"))


@pytest.mark.parametrize("text", ["", "#Age: 5\n", "A0001", "A0001 twelve 500 5", "A0001 12 0 5", "A0001 12 nan 5"])
def test_what_is_no_header_is_a_clear_error(text):
    with pytest.raises(RecordError, match="record line"):
        parse_header(text)


@given(st.text())
def test_any_text_is_a_header_or_a_record_error(text):
    try:
        parsed = parse_header(text)
    except RecordError:
        return
    assert parsed.rate > 0 and len(parsed.signals) <= len(text)


def test_a_header_that_claims_a_trillion_leads_costs_nothing():
    assert parse_header("A0001 1000000000000 500 1000000000000\nA0001.mat 16 1000 16 0 0 0 0 I\n").leads == ("I",)


def test_leads_in_another_order_fewer_or_doubled():
    counts = noise(200)
    shuffled = [5, 0, 11, 3, 7, 1, 2, 9, 4, 8, 6, 10]
    names = [LEADS[i] for i in shuffled]
    record = make_record(parse_header(header_text("A1", counts, leads=names)), counts[shuffled])
    np.testing.assert_array_equal(record.counts, counts)

    two = make_record(parse_header(header_text("A1", counts, leads=("ii", "V5"))), counts[:2])
    assert two.mask.sum() == 2 and two.counts[1].tolist() == counts[0].tolist() and not two.counts[~two.mask].any()

    doubled = make_record(parse_header(header_text("A1", counts, leads=("I", "I", "X"))), counts[:3])
    assert doubled.counts[0].tolist() == counts[0].tolist() and doubled.mask.sum() == 1


def test_recordings_of_any_number_type_become_counts():
    counts = noise(100)
    head = parse_header(header_text("A1", counts))
    for kind in (np.int16, np.int32, np.int64, np.float32, np.float64, ">i2"):
        np.testing.assert_array_equal(make_record(head, counts.astype(kind)).counts, counts)
    odd = counts.astype(float)
    odd[0, :4] = np.nan, np.inf, 1e9, -1e9
    assert make_record(head, odd).counts[0, :4].tolist() == [INVALID, INVALID, 32767, -32767]


def test_header_and_signal_that_disagree_are_an_error(tmp_path):
    counts = noise(100)
    with pytest.raises(RecordError, match="12 leads in the header"):
        make_record(parse_header(header_text("A1", counts)), counts[:11])
    with pytest.raises(RecordError, match="none of the leads"):
        make_record(parse_header(header_text("A1", counts, leads=("X", "Y"))), counts[:2])
    path = write_recording(tmp_path, "A1", counts)
    write_mat(tmp_path / "A1.mat", counts[:, :90])
    with pytest.raises(RecordError, match=r"A1.hea: says 100 samples, its signal file holds 90"):
        read_record(path)


@pytest.mark.parametrize("size", [0, 10, 24, 1000])
def test_a_truncated_signal_names_its_file(tmp_path, size):
    path = write_recording(tmp_path, "A1")
    signal = tmp_path / "A1.mat"
    signal.write_bytes(signal.read_bytes()[:size])
    with pytest.raises(RecordError, match="A1.mat"):
        read_record(path)


def test_a_missing_signal_names_its_file(tmp_path):
    path = write_recording(tmp_path, "A1")
    (tmp_path / "A1.mat").unlink()
    with pytest.raises(RecordError, match="A1.mat: cannot be read"):
        read_record(path)


@pytest.mark.parametrize("form", ["4", "5"])
def test_other_matlab_files_are_read_too(tmp_path, form):
    counts = noise(60)
    path = write_recording(tmp_path, "A1", counts)
    scipy.io.savemat(tmp_path / "A1.mat", {"val": counts.astype(np.float64)}, format=form)
    np.testing.assert_array_equal(read_record(path).counts, counts)


def test_wfdb_formats_are_read_and_nothing_outside_the_folder(tmp_path):
    counts = noise(500)
    (tmp_path / "in").mkdir()
    wfdb.wrsamp(
        "R1",
        500,
        ["mV"] * 12,
        list(LEADS),
        d_signal=counts.T.astype(np.int64),
        fmt=["16"] * 12,
        adc_gain=[1000.0] * 12,
        baseline=[0] * 12,
        write_dir=str(tmp_path / "in"),
    )
    np.testing.assert_array_equal(read_record(tmp_path / "in/R1.hea").counts, counts)
    (tmp_path / "R1.dat").write_bytes((tmp_path / "in/R1.dat").read_bytes())
    header_file = tmp_path / "in/R1.hea"
    for elsewhere in ("../R1.dat", str(tmp_path / "R1.dat")):
        header_file.write_text(header_file.read_text().replace("R1.dat", elsewhere))
        with pytest.raises(RecordError, match="outside its own folder"):
            read_record(header_file)
        header_file.write_text(header_file.read_text().replace(elsewhere, "R1.dat"))


@pytest.mark.parametrize("form, highest", [("80", 100), ("212", 2000), ("16", 30000), ("24", 30000), ("32", 30000)])
def test_a_gap_is_a_gap_in_every_format(tmp_path, form, highest):
    """Each format has a mark of its own for a sample that was not measured."""
    counts = np.clip(noise(500), -highest, highest).astype(float)
    counts[3, 100:150] = np.nan
    wfdb.wrsamp(
        "R1",
        500,
        ["mV"] * 12,
        list(LEADS),
        p_signal=counts.T / 1000,
        fmt=[form] * 12,
        adc_gain=[1000.0] * 12,
        baseline=[0] * 12,
        write_dir=str(tmp_path),
    )
    np.testing.assert_array_equal(read_record(tmp_path / "R1.hea").counts, np.where(np.isnan(counts), INVALID, counts))


def test_finding_records(tmp_path):
    for name in ("g2/E2", "g1/E10", "A3"):
        write_recording((tmp_path / name).parent, name.split("/")[-1])
    (tmp_path / ".hidden.hea").write_text("")
    assert [path.stem for path in find_headers(tmp_path)] == ["A3", "E10", "E2"]
    write_recording(tmp_path / "g3", "A3")
    with pytest.raises(EntryError, match="same name"):
        find_headers(tmp_path)
    for folder in ("nowhere", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(EntryError, match=folder):
            find_headers(tmp_path / folder)


def test_what_can_be_no_recording_of_its_own_is_refused_and_the_others_found(tmp_path, monkeypatch):
    for folder in ("a", "b", "closed"):
        write_recording(tmp_path / folder, "A1" if folder == "b" else f"A1{folder}")
    write_recording(tmp_path / "a", "A1")
    (tmp_path / "b/A2.mat").touch()
    scandir = os.scandir

    def closed(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    refused = []
    found = find_headers(tmp_path, refuse=refused.append)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a/A1.hea", "a/A1a.hea", "b/A2.hea"]
    assert [str(error).removeprefix(f"{tmp_path}/").split(":")[0] for error in refused] == ["b/A1.hea", "closed"]
    assert "b/A2.hea" not in map(str, find_headers(tmp_path, headers_only=True, refuse=refused.append))
    with pytest.raises(EntryError):
        find_headers(tmp_path)


def test_latin_1_and_a_byte_order_mark(tmp_path):
    path = write_recording(tmp_path, "A1")
    text = path.read_text() + "#Hx: Müller\n"
    for encoded in (text.encode("latin-1"), b"\xef\xbb\xbf" + text.encode()):
        path.write_bytes(encoded)
        assert read_header(path).leads == LEADS


@given(
    st.from_regex(
        r"A1 2 500 9( [^\n]*)?\s(A1.mat 16 [^\n]*\s){0,2}([ \t]*#.{0,20}|# ?D[xX]: ?[0-9, ]*|.*\s)*", fullmatch=True
    )
)
def test_the_diagnoses_alone_are_those_of_the_whole_header(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "A1.hea")
        path.write_bytes(text.encode())
        try:
            expected = read_header(path).diagnoses
        except RecordError:
            return
        assert read_diagnoses(path) == expected


@pytest.mark.parametrize("text", ["", "404 Not Found\n", "A1\n#Dx: 426783006\n", "A1 x 500 5000\n#Dx: 426783006\n"])
def test_what_is_no_header_has_no_diagnoses(tmp_path, text):
    (tmp_path / "A1.hea").write_text(text)
    with pytest.raises(RecordError, match="A1.hea"):
        read_diagnoses(tmp_path / "A1.hea")
