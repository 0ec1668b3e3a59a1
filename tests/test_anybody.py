"""Recordings as people have them: capitals, links, other lead names, other ways to write ages and diagnoses."""

import pytest

from ecg.classes import NAMES, load_weights
from ecg.data.header import parse_header, read_diagnoses, read_header
from ecg.data.listing import find_recordings
from tests.conftest import call_script, header_text, noise, write_recording


def test_suffixes_in_capitals(model_folder, tmp_path):
    write_recording(tmp_path / "data", "A1")
    path = write_recording(tmp_path / "data", "A2")
    path.rename(path.with_suffix(".HEA"))
    path.with_suffix(".mat").rename(path.with_suffix(".MAT"))
    (tmp_path / "data/A3.MAT").write_bytes((tmp_path / "data/A1.mat").read_bytes())  # without a header
    result = call_script("driver.py", model_folder, tmp_path / "data", tmp_path / "out")
    assert "2 of 3 recordings done" in result.stdout and "A3.hea" in result.stderr
    outputs = [(tmp_path / f"out/{name}.csv").read_text().split("\n", 1)[1] for name in ("A1", "A2")]
    assert outputs[0] == outputs[1]


def test_linked_subfolders_are_searched_once(tmp_path):
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    write_recording(data, "A1")
    write_recording(elsewhere / "deep", "B1")
    for name, target in (("link", elsewhere), ("again", elsewhere), ("loop", data)):
        (data / name).symlink_to(target)
    (elsewhere / "back").symlink_to(data)
    assert [path.stem for path in find_recordings(data)] == ["A1", "B1"]


CODES = ("251146004", "426783006")


@pytest.mark.parametrize(
    "text",
    [
        "251146004,426783006",
        "251146004;426783006",
        "251146004; 426783006;",
        "251146004 426783006",
        "251146004|426783006",
        "251146004.0,426783006.0",
        " 251146004 ,, 426783006 ,251146004",
        "LQRSV,SNR",
        "lqrsv snr",
        "low QRS voltages, Sinus Rhythm",
        "LQRSV; 426783006",
    ],
)
def test_ways_to_write_diagnoses(tmp_path, text):
    path = write_recording(tmp_path, "A1", comments=(f"#Dx: {text}",))
    assert read_header(path).diagnoses == read_diagnoses(path) == CODES


@pytest.mark.parametrize(
    "text",
    [
        *("164889003 (excluded)", "164889003 (no)", "not 164889003", "no AF", "rule out 164889003", "r/o AF"),
        *("history of 164889003", "AF ruled out", "kein AF", "possible 164889003", "old 164889003?"),
    ],
)
def test_what_is_denied_or_doubted_is_no_diagnosis(tmp_path, text):
    """Before, the code counted, and only the word "not" was named as not understood."""
    path = write_recording(tmp_path, "A1", comments=(f"#Dx: 426783006, {text}",))
    assert read_header(path).diagnoses == ("426783006", text)
    assert load_weights().not_understood(read_header(path).diagnoses) == [text]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("698252002 (non-specific intraventricular conduction disorder)", "698252002"),
        ("426783006 (sinus rhythm without ectopy)", "426783006"),
        ("164865005 (previous MI)", "164865005"),
    ],
)
def test_words_that_explain_a_code_do_not_deny_it(tmp_path, text, code):
    assert read_header(write_recording(tmp_path, "A1", comments=(f"#Dx: {text}",))).diagnoses == (code,)


def test_every_name_of_a_class_is_understood():
    for code, names in NAMES.items():
        for name in names:
            assert parse_header(header_text("A1", noise(), comments=(f"#Dx: {name}",))).diagnoses == (code,)


@pytest.mark.parametrize(
    ("comment", "age", "sex"),
    [
        ("#Age: 74\n#Sex: M", 74, "male"),
        ("# Age: 56 years\n# Sex: female", 56, "female"),
        ("#<age>: 60 <sex>: F <diagnoses> (none)", 60, "female"),
        ("#<age>: 81  <sex>: M  <diagnoses>: Earlier AMI", 81, "male"),
        ("#Age: 61.0 yrs\n#Sex: m", 61, "male"),
        ("#Age: 6 months\n#Sex: Unknown", 0.5, None),
        ("#Age: 44 parsecs\n#Sex: 3", None, None),
        ("#Age: NaN\n#Sex: NaN", None, None),
        ("#<age>: ? <sex>: ?", None, None),
    ],
)
def test_ways_to_write_age_and_sex(comment, age, sex):
    header = parse_header(header_text("A1", noise(), comments=(comment,)))
    assert header.age == age and header.sex == sex


def test_diagnoses_that_are_not_understood_are_named(model_folder, tmp_path):
    """By the training, check_data and the evaluation; the other diagnoses of the recording count."""
    data = tmp_path / "data"
    for i in range(12):
        dx = ("SNR, STEMI", "426783006;STEMI", "old infarction, AF")[i % 3]
        write_recording(data, f"A{i:02d}", noise(3000, seed=i), comments=("#Age: 50", "#Sex: F", f"#Dx: {dx}"))
    named = "not understood in #Dx, and so not used: STEMI (8), old infarction (4)"
    options = ("--recipe", "small,width=4,reduction=2", "--epochs", 1, "--folds", 2, "--simulated", 10)
    trained = call_script("train_model.py", data, tmp_path / "model", *options)
    assert named in trained.stdout and "12 recordings to train on, 0 without" in trained.stdout
    assert call_script("driver.py", model_folder, data, tmp_path / "out").returncode == 0
    assert named in call_script("evaluate_model.py", data, tmp_path / "out").stderr
    checked = call_script("tools/check_data.py", data).stdout
    assert "diagnosis not understood: 12  ->  not used; #Dx holds SNOMED CT codes" in checked
