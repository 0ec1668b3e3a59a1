"""EDF, EDF+ and BDF: odd files are read with the right values, damaged ones are refused with a reason."""

from pathlib import Path

import numpy as np
import pyedflib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg.data.formats.edf import read_edf
from ecg.data.formats.physical import LONGEST
from ecg.data.lead_names import LEADS
from ecg.data.record import read_record
from ecg.data.signal_check import require_ecg
from ecg.errors import RecordError
from ecg.importing.importer import import_recordings
from ecg.importing.recording_files import signal_sources
from tests.conftest import noise

FIELDS = [8, 80, 80, 8, 8, 8, 44, 8, 8, 4]  # bytes of each field; the columns of the signals follow
COLUMNS = [16, 80, 8, 8, 8, 8, 8, 80, 8, 32]


def edf(
    counts: np.ndarray | None = None,  # digital values of the leads, with a unit of 0.5 uV
    labels=LEADS,
    units="uV",
    start=("04.03.01", "10.00.00"),
    about="",
    number="10",
    duration="1",
    patient="",
    recorded="",
    stamps: list[str] | None = None,  # of an EDF+ file, one for each data record
    extra: tuple = (),  # label, unit, physical and digital range, samples of a record of one more signal
    width=2,
    pad=" ",
) -> bytes:
    """The bytes of a file of ten data records."""
    counts = noise(5000, len(labels)) if counts is None else counts
    samples = counts.shape[1] // 10
    signals = [(label, "", units, "-16384", "16383.5", "-32768", "32767", "", samples, "") for label in labels]
    data = [row.reshape(10, samples) for row in counts]
    if extra:
        label, unit, *ranges, size = extra
        signals.append((label, "", unit, *ranges, "", size, ""))
        data.append(np.ones((10, size)))
    if stamps:
        size = 20 * 6 // width
        signals.append((f"{about[:3]} Annotations", "", "", "-1", "1", "-32768", "32767", "", size, ""))
    fields = ["0" if width == 2 else "\xffBIOSEMI", patient, recorded, *start, 256 * (len(signals) + 1)]
    fields += [about, number, duration, len(signals)]
    texts = [(str(field), size) for field, size in zip(fields, FIELDS)]
    texts += [(str(signal[i]), size) for i, size in enumerate(COLUMNS) for signal in signals]
    content = b"".join(text.encode("latin-1").ljust(size, pad.encode()) for text, size in texts)
    for record in range(10):
        for rows in data:
            whole = np.ascontiguousarray(rows[record].astype("<i4")).view(np.uint8).reshape(-1, 4)
            content += whole[:, :width].tobytes()
        if stamps:
            content += f"{stamps[record]}\x14\x14\0".encode().ljust(120, b"\0")
    return content


@pytest.fixture
def read(tmp_path):
    def write_and_read(content: bytes):
        path = tmp_path / "odd.edf"
        path.write_bytes(content)
        return read_edf(path)

    return write_and_read


STAMPS = [f"+{second}" for second in range(10)]


@pytest.mark.parametrize(
    "odd",
    [
        {"start": ("xx.xx.xx", "xx.xx.xx")},
        {"start": ("31.02.99", "10.00.00")},
        {"start": ("04:03:01", "10:00:00")},
        {"start": ("04.03.01", "99.99.99")},
        {"start": ("", "")},
        {"number": "-1"},
        {"number": "0"},
        {"number": "11"},
        {"number": "?"},
        {"duration": "1,0"},
        {"duration": "1.000"},
        {"pad": "\0"},
        {"units": "\xb5V"},
        {"units": "UV"},
        {"labels": [f"ECG {lead}" for lead in LEADS]},
        {"labels": [f"EKG {lead}-Ref" for lead in LEADS]},
        {"extra": ("pulse", "%", "0", "0", "-32768", "32767", 500)},
        {"extra": ("pulse", "%", "0", "1", "7", "7", 500)},
        {"extra": ("pulse", "", "?", "", "", "", 7)},
        {"extra": ("pulse", "", "0", "1", "0", "1", 0)},
        {"about": "EDF+C", "stamps": STAMPS},
        {"about": "EDF+D", "stamps": STAMPS},
        {"about": "EDF+D", "stamps": ["+7.0004", *(f"+{second}.0012" for second in range(8, 17))]},
        {"about": "BDF+C", "stamps": STAMPS, "width": 3},
        {"width": 3},
    ],
    ids=str,
)
def test_odd_files_have_the_values_of_plain_ones(read, odd):
    recording = read(edf(**odd))
    assert recording.leads == list(LEADS) and recording.rate == 500
    np.testing.assert_array_equal(recording.microvolts, noise(5000) / 2)


@pytest.mark.parametrize("unit", ["mV", "V", "nV", "uV"])
def test_values_equal_those_of_pyedflib(read, tmp_path, unit):
    counts = np.random.default_rng(1).integers(-32768, 32768, (12, 5000))
    content = edf(counts, units=unit).replace(b"-16384  ", b"-5.0001 ").replace(b"16383.5 ", b"4.997   ")
    recording = read(content)
    with pyedflib.EdfReader(str(tmp_path / "odd.edf")) as file:
        values = np.array([file.readSignal(row) for row in range(12)])
    np.testing.assert_array_equal(recording.microvolts, values * {"mV": 1e3, "V": 1e6, "nV": 1e-3, "uV": 1.0}[unit])


def test_24_bits(read, tmp_path):
    counts = np.random.default_rng(1).integers(-(2**23), 2**23, (12, 5000))
    content = edf(counts, width=3).replace(b"-32768  ", b"-8388608").replace(b"32767   ", b"8388607 ")
    recording = read(content)
    (tmp_path / "odd.bdf").write_bytes(content)
    with pyedflib.EdfReader(str(tmp_path / "odd.bdf")) as file:
        np.testing.assert_array_equal(recording.microvolts, [file.readSignal(row) for row in range(12)])


def test_gaps_are_missing_samples(read):
    stamps = [f"+{second}" for second in (3, 4, 5, "8.5", "9.5", 12, 13, 14, 15, 16)]
    recording = read(edf(about="EDF+D", stamps=stamps))
    values = noise(5000) / 2
    assert recording.microvolts.shape == (12, 14 * 500)
    for start, record in zip((0, 500, 1000, 2750, 3250, 4500, 5000, 5500, 6000, 6500), range(10)):
        part = values[:, 500 * record : 500 * record + 500]
        np.testing.assert_array_equal(recording.microvolts[:, start : start + 500], part)
    assert np.isnan(recording.microvolts).sum() == 12 * 2000


@pytest.mark.parametrize(("bytes_left", "samples"), [(256 * 13 + 12_000 * 4, 2000), (256 * 13 + 12_000 * 5 - 1, 2000)])
def test_a_file_cut_short_is_read_to_its_last_whole_record(read, bytes_left, samples):
    np.testing.assert_array_equal(read(edf()[:bytes_left]).microvolts, noise(5000)[:, :samples] / 2)


def test_a_file_cut_short_is_no_training_data_and_the_driver_says_so(tmp_path):
    path = tmp_path / "folder/A1.edf"
    path.parent.mkdir()
    path.write_bytes(edf()[: 256 * 13 + 12_000 * 4])
    with pytest.raises(RecordError, match="says 5000 samples, its signal file holds 2000"):
        read_record(path)
    warnings = require_ecg(read_record(path, lenient=True), "A1")
    assert "length mismatch: 5000 samples in the header, 2000 in the signal" in warnings
    names, failures = import_recordings(tmp_path / "imported", signal_sources(path.parent))
    assert not names and "says 5000 samples" in str(failures[0])


def test_what_follows_the_last_record_is_left_out(read):
    assert read(edf() + edf()[256 * 13 :]).microvolts.shape == (12, 5000)


@pytest.mark.parametrize(
    ("about", "patient", "recorded", "start", "expected"),
    [
        ("EDF+C", "X F 05-MAR-1940 X", "Startdate 04-MAR-2001 X X X", "xx.xx.xx", (60, "female")),
        ("EDF+C", "X m 4-mar-1940 X", "Startdate X X X X", "04.03.01", (None, "male")),  # anonymised
        ("EDF+C", "X m 4-mar-1940 X", "", "01.01.85", (None, "male")),  # anonymised
        ("EDF+C", "X m 4-mar-1940 X", "", "04.03.01", (61, "male")),
        ("EDF+C", "X X X X", "Startdate 04-MAR-2001 X X X", "04.03.01", (None, None)),
        ("EDF+C", "X F 31-FEB-1940 X", "", "04.03.01", (None, "female")),
        ("EDF+C", "X F 05-MAR-1940 X", "", "99.99.99", (None, "female")),
        ("EDF+C", "X F 05-MAR-2010 X", "", "04.03.01", (None, "female")),
        ("EDF+C", "", "", "", (None, None)),
        ("", "X F 05-MAR-1940 X", "Startdate 04-MAR-2001 X X X", "04.03.01", (None, None)),
    ],
)
def test_age_and_sex(read, about, patient, recorded, start, expected):
    content = edf(about=about, patient=patient, recorded=recorded, start=(start, "10.00.00"), stamps=STAMPS)
    recording = read(content)
    assert (recording.age, recording.sex) == expected


def test_gaps_of_a_file_that_calls_itself_continuous(read):
    """Some writers do. A clock that runs a little differently is no gap."""
    jump, drift = (
        [f"+{factor * i + (5 if i > 3 and factor == 1 else 0):g}" for i in range(10)] for factor in (1, 1.001)
    )
    assert read(edf(about="EDF+C", stamps=drift)).microvolts.shape == (12, 5000)
    gaps, same = read(edf(about="EDF+C", stamps=jump)), read(edf(about="EDF+D", stamps=jump))
    assert gaps.microvolts.shape == (12, 7500) and np.isnan(gaps.microvolts[:, 2000:4500]).all()
    np.testing.assert_array_equal(gaps.microvolts, same.microvolts)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no EDF file"),
        (edf()[:300], "is no EDF file"),
        (edf()[: 256 * 13 + 5], "no whole data record"),
        (edf(labels=["resp", "SpO2"]), "none of the twelve leads"),
        (edf(units="mmHg"), "mmHg is not a voltage"),
        (edf(units=""), "is not a voltage"),
        (edf(duration="0"), "sampling rate of nan Hz"),
        (edf(duration="1e-9"), "sampling rate of 5e[+]11 Hz"),
        (edf(duration="9999"), "sampling rate of 0.05"),
        (edf(extra=("V1", "uV", "-1", "1", "-1", "1", 250), labels=LEADS[:6]), "different rates"),
        (edf(extra=("V1", "uV", "0", "0", "-1", "1", 500), labels=LEADS[:6]), "lead V1 has no scale"),
        (edf(extra=("V1", "uV", "-1", "1", "5", "5", 500), labels=LEADS[:6]), "lead V1 has no scale"),
        (edf(extra=("V1", "uV", "a", "1", "5", "9", 500), labels=LEADS[:6]), "lead V1 has no scale"),
        (edf().replace(b"500     ", b"5x0     ", 1), "'5x0' samples"),
        (edf(about="EDF+D"), "no time stamp"),
        (edf(about="EDF+D", stamps=["+0", "one", *STAMPS[2:]]), "data record 2 has no time stamp"),
        (edf(about="EDF+D", stamps=["+0", "+0.5", *STAMPS[2:]]), "data record 2 begins before"),
        (edf(about="EDF+D", stamps=[*STAMPS[:9], f"+{LONGEST + 1}"]), "has gaps"),
        (edf(about="EDF+D", stamps=[*STAMPS[:9], "+999999999999"]), "has gaps"),
    ],
)
def test_damaged_files_are_refused_with_the_reason(read, content, reason):
    with pytest.raises(RecordError, match=rf"odd[.]edf: .*{reason}"):
        read(content)


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.edf"):
        with pytest.raises(RecordError, match="cannot be read"):
            read_edf(path)


SMALL = [
    edf(noise(100, 2), LEADS[:2], duration="0.02"),
    edf(noise(100, 2), LEADS[:2], about="EDF+D", duration="0.02", stamps=[f"+{second}" for second in range(0, 20, 2)]),
]
HEADER = 256 * 4
ODD_TEXTS = st.sampled_from(["", "0", "-1", "1e308", "1e-308", "nan", "inf", "99999999", "1,5", "EDF+D", "\0", "V1"])


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(SMALL),
    st.lists(st.tuples(st.integers(0, HEADER - 1), st.binary(min_size=1, max_size=8)), max_size=5),
    st.lists(st.tuples(st.integers(0, HEADER // 8 - 1), ODD_TEXTS), max_size=5),
)
def test_any_damage_of_a_header_is_refused_or_read(tmp_path_factory, content, damages, texts):
    damaged = bytearray(content)
    places = [*((place, what) for place, what in damages), *((8 * n, text.ljust(8).encode()) for n, text in texts)]
    for place, what in places:
        damaged[place : place + len(what)] = what
    path: Path = tmp_path_factory.getbasetemp() / "damaged.edf"
    path.write_bytes(damaged)
    try:
        recording = read_edf(path)
        assert recording.microvolts.size <= len(recording.leads) * 100_000 * 20
        assert read_record(path).counts.shape[1] == recording.microvolts.shape[1]
    except RecordError as error:
        assert "damaged.edf: " in str(error)
