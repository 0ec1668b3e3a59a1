"""Parsing headers: each oddity seen in real files has a defined result or a clear error."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg.data.header import Header, parse_header, read_diagnoses, read_header
from ecg.data.lead_names import LEADS
from ecg.data.record import read_record
from ecg.errors import RecordError
from tests.conftest import header_text, noise, write_recording


def parse(*comments: str, **changes) -> Header:
    return parse_header(header_text("A0001", noise(100), comments=comments, **changes))


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
        ("#Age: 56 Sex: F Dx: 426783006", 56),
        ("#Age (years): 56", 56),
        ("#Age(months): 6", 0.5),
        ("#Patient's age: 56", 56),
        ("#Age=56", 56),
        ("#Age: 56 M", 56),  # the sex
        ("#Age: 6M", None),  # months, or the sex
        ("#Age: 006M", 0.5),  # DICOM
        ("#Age: 056Y", 56),
        ("#Age: >89", 90),
        ("#Age: 90+", 90),
        ("#Age: '56'", 56),
        *((f"#Age: 56 {word}", 56) for word in ("Jahre", "ans", "años", "anni", "J.", "岁", "y.o.")),
        *((f"#Age: 6 {word}", 0.5) for word in ("Monate", "mois", "meses", "months old")),
        ("#Age: 2 weeks", 14 / 365),
        ("#Age: 30 Tage", 30 / 365),
        ("#Alter: 56 Jahre", 56),
        ("# 69 M 1085 1629 x1", 69),  # MIT-BIH
        ("# 3 leads, 12 files", None),
        ("#Age: 0,5", 0.5),
        ("#Age: 2,5 years", 2.5),
        ("#Age: 40-49", None),
        ("#Age: <1", None),
        ("#Age: 6 m", None),
        ("#Age: 56-year-old", 56),
        ("#Age in years: 60", 60),
        ("#Age_years: 60", 60),
        ("#PatientAge: 060Y", 60),
        ("#Age/Sex: 60/M", 60),
        ("#Gestational Age: 39 weeks", None),
        ("#ECG Age: 70", None),
        ("#Age: 74 (2019-05-01)", 74),
        ("#Age: 63 years, 4-6 months ago", 63),
        ("#Leeftijd: 56 jaar", 56),
        ("#Возраст: 56 лет", 56),
    ],
)
def test_age(comment, age):
    assert parse(comment).age == age


@pytest.mark.parametrize(
    ("text", "sex"),
    [
        *((text, "male") for text in ("Male", "male", "M", "m")),
        *((text, "female") for text in ("W", "weiblich", "Woman", "femme", "mujer", "女性", "F;", "(F)", "F - female")),
        *((text, "female") for text in ("Female, postmenopausal", "F, 45 y")),
        *((text, None) for text in ("NaN", "Unknown", "", "Fluid", "M/F", "1", "other")),
    ],
)
def test_sex(text, sex):
    assert parse(f"#Sex: {text}").sex == parse(f"# Gender: {text}").sex == sex
    assert parse(f"#Age: 50, Gender : {text}").sex == sex


def test_several_facts_on_one_line_and_comments_that_only_look_like_them():
    header = parse("#Age: 56 Sex: F Dx: 426783006, 39732003")
    assert (header.age, header.sex, header.diagnoses) == (56, "female", ("426783006", "39732003"))
    header = parse("# 69 F 1085 1629 x1", "# Aldomet, Inderal")
    assert (header.age, header.sex, header.diagnoses) == (69, "female", ())
    for comment in (
        "#Hx: onset age: 30",
        "#Hx: Age: 30",
        "#Comment: mother's age: 30",
        "# at the age: 30",
        "#Gestational Age: 30",
    ):
        header = parse(comment, "#Age: 50")
        assert header.age == 50, comment
    header = parse(
        "#Previous Diagnosis: AF", "#Dx: 426783006", "#Comments: No Diagnosis: AF excluded", "#Partner Sex: M"
    )
    assert (header.diagnoses, header.sex) == (("426783006",), None)
    header = parse("#Dx: scp:NORM, scp:SR", "#Hx: his age: unknown")
    assert header.diagnoses == ("scp:NORM", "scp:SR") and header.age is None


@pytest.mark.parametrize("name", ["sinus rhythm", "0 I", "A 1"])
def test_a_name_with_blanks_changes_no_diagnosis_and_no_lead(tmp_path, name):
    """Before, its blanks were replaced in the whole text."""
    path = write_recording(tmp_path, name, noise(500), comments=("#Dx: sinus rhythm",))
    assert read_header(path).diagnoses == ("426783006",) and read_record(path).mask.all()


def test_only_line_ends_end_a_line():
    """Before, a letter of Windows' code page 1252 (0x85, an ellipsis) cut off the diagnoses behind it."""
    assert parse("#Dx: 426783006,\x85,39732003").diagnoses == ("426783006", "39732003")


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
    assert parse(*comments).diagnoses == codes


@pytest.mark.parametrize(
    ("line", "samples"),
    [
        ("A0001 12 500 100 05-Feb-2020 11:39:16", 100),
        ("A0001 12 500 100", 100),
        ("A0001.mat 12 500/1000(0) 100", 100),
        ("A0001 12 500", None),
        ("A0001 12 500Hz 100", 100),
        ("A0001 12 500 Hz 100", 100),
        ("A0001 12.0 500.0 100.0", 100),
    ],
)
def test_record_line_after_a_byte_order_mark_and_with_windows_line_ends(line, samples):
    text = "\r\n".join([line, *header_text("A0001", noise(100)).split("\n")[1:]])
    header = parse_header("\ufeff" + text)
    assert (header.name, header.rate, header.samples) == ("A0001", 500, samples)
    assert header.leads == LEADS and header.source == "A" and header.sex == "female"


@pytest.mark.parametrize(
    ("gain", "form", "counts_per_unit"),
    [
        ("1000.0(0)/mv", "16x1+24", 1000),
        ("4880/mV", "16+24", 4880),
        ("2000000(-5)/mV", "16", 2_000_000),
        ("200", "16", 200),
    ],
)
def test_gain_in_every_form_of_a_signal_line(gain, form, counts_per_unit):
    signal = parse(gain=gain, form=form).signals[0]
    assert signal.gain == counts_per_unit and signal.lead == "I"


def test_text_and_lines_are_parsed_alike():
    text = header_text("A0001", noise(50))
    assert parse_header(text) == parse_header(text.splitlines(keepends=True)) == parse_header(text.split("\n"))


@pytest.mark.parametrize("text", ["", "#Age: 5\n", "A0001", "A0001 twelve 500 5", "A0001 12 0 5", "A0001 12 nan 5"])
def test_text_that_is_not_a_header_is_an_error(text):
    with pytest.raises(RecordError, match="record line"):
        parse_header(text)


@given(st.text())
def test_any_text_gives_a_header_or_a_record_error(text):
    try:
        header = parse_header(text)
    except RecordError:
        return
    assert header.rate > 0 and len(header.signals) <= len(text)


def test_header_that_claims_a_trillion_leads_costs_nothing():
    assert parse_header("A0001 1000000000000 500 1000000000000\nA0001.mat 16 1000 16 0 0 0 0 I\n").leads == ("I",)


def test_recording_is_named_after_its_file(tmp_path):
    path = write_recording(tmp_path, "E07500")
    path.write_text(path.read_text().replace("E07500 12", "E07500.mat 12"))
    assert read_header(path).name == "E07500"


def test_latin_1_and_a_byte_order_mark_are_read(tmp_path):
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
def test_read_diagnoses_equals_the_diagnoses_of_the_whole_header(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "A1.hea")
        path.write_bytes(text.encode())
        try:
            expected = read_header(path).diagnoses
        except RecordError:
            return
        assert read_diagnoses(path) == expected


@pytest.mark.parametrize("text", ["", "404 Not Found\n", "A1\n#Dx: 426783006\n", "A1 x 500 5000\n#Dx: 426783006\n"])
def test_read_diagnoses_names_a_file_that_is_not_a_header(tmp_path, text):
    (tmp_path / "A1.hea").write_text(text)
    with pytest.raises(RecordError, match="A1.hea"):
        read_diagnoses(tmp_path / "A1.hea")
