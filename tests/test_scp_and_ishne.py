"""SCP-ECG and ISHNE files: what was written is read; false claims are refused, with why."""

import struct

import numpy as np
import pytest

from ecg.data.formats.ishne import read_ishne
from ecg.data.formats.scp import read_scp
from ecg.data.lead_names import LEADS
from tests.hospital_files import DEFAULT, NAME, counts, ishne, limb_leads, refused, scp, scp_content, write


@pytest.mark.parametrize("together", [False, True])
def test_ishne(tmp_path, together):
    values = counts(3, 2000)
    content = ishne(values, [12, 6, 2], claimed=2000 * (3 if together else 1))  # V2, II, X
    recording = read_ishne(write(tmp_path / "a.ecg", content))
    assert list(recording.leads) == ["II", "V2"] and recording.rate == 200
    np.testing.assert_allclose(recording.microvolts, values[[1, 0]] * 2.5)
    assert (recording.age, recording.sex) == (40, "female") and NAME not in repr(recording)


def test_ishne_numbers_of_all_leads(tmp_path):
    recording = read_ishne(write(tmp_path / "a.ecg", ishne(counts(12), list(range(5, 17)), sex=1)))
    assert tuple(recording.leads) == LEADS and recording.sex == "male"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"codes": [1, 2, 3]}, ("none of the twelve leads",)),
        ({"resolution": 0}, ("0 nV",)),
        ({"resolution": -9}, ("-9 nV",)),
        ({"rate": 0}, ("0 Hz",)),
        ({"claimed": 999}, ("999 samples",)),
        ({"claimed": 0}, ("0 samples",)),
    ],
)
def test_ishne_refusals(tmp_path, options, words):
    content = ishne(counts(3), **{"codes": [5, 6, 7]} | options)
    refused(read_ishne, write(tmp_path / "a.ecg", content), *words)
    refused(read_ishne, write(tmp_path / "b.ecg", b"ISHNE"), "does not begin with")


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("table", [None, DEFAULT])
def test_scp(tmp_path, order, table):
    values = counts(8)
    values[:, 500] += 3000  # beyond 8-bit codes
    values[:, 600] += 60
    recording = read_scp(write(tmp_path / "a.scp", scp(scp_content(values, order, table))))
    assert tuple(recording.leads) == LEADS and recording.rate == 500
    np.testing.assert_allclose(recording.microvolts, limb_leads(values) * 2.5, atol=1e-9)
    assert (recording.age, recording.sex) == (45, "male") and NAME not in repr(recording)


def test_scp_with_its_own_huffman_tables(tmp_path):
    """The first table switches to the second, which switches back after every value."""
    values = np.zeros((8, 100), np.int16)
    values[:, ::3], values[:, 1::3] = 1, -2
    first = [(1, 1, 0, 2, 0b0), (2, 2, 1, 0, 0b01)]  # bits, all bits, value?, value or table, code reversed: "0", "10"
    second = [(1, 1, 1, 1, 0b1), (2, 4, 1, 0, 0b10), (2, 2, 0, 1, 0b00)]  # "1": 1; "01" and 2 bits; "00": back
    table = struct.pack("<H", 2)
    for codes in (first, second):
        table += struct.pack("<H", len(codes)) + b"".join(struct.pack("<BBBhI", *code) for code in codes)
    code = {0: "10", 1: "0" + "1" + "00", -2: "0" + "01" + "10" + "00"}
    recording = read_scp(write(tmp_path / "a.scp", scp(scp_content(values, 0, table, code))))
    np.testing.assert_allclose(recording.microvolts, limb_leads(values) * 2.5)


def test_scp_leads_of_different_spans_and_birth_dates(tmp_path):
    sections = scp_content(counts(2), leads=("II", "V1"))
    sections[3] = bytes([2, 0]) + struct.pack("<IIB", 1, 1000, 2) + struct.pack("<IIB", 501, 1500, 3)
    dates = struct.pack("<BHHBB", 5, 4, 1960, 3, 5) + struct.pack("<BHHBB", 25, 4, 2001, 3, 4)
    sections[1] = dates + struct.pack("<BHB", 8, 1, 2) + b"\xff\0\0"
    recording = read_scp(write(tmp_path / "a.scp", scp(sections)))
    expected = np.full((2, 1500), np.nan)
    expected[0, :1000], expected[1, 500:] = counts(2) * 2.5
    assert list(recording.leads) == ["II", "V1"] and (recording.age, recording.sex) == (40, "female")
    np.testing.assert_allclose(recording.microvolts, expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bimodal": 1}, ("bimodal", "export it without compression")),
        ({"flags": 5}, ("reference beat", "export it without compression")),
        ({"steps": 0}, ("no amplitude step",)),
    ],
)
def test_scp_refusals(tmp_path, options, words):
    refused(read_scp, write(tmp_path / "a.scp", scp(scp_content(counts(8), **options))), *words)


def test_scp_with_false_claims(tmp_path):
    sections = scp_content(counts(8))
    for last, word in ((1001, "fewer"), (4_000_000_000, "hours"), (80_000_000, "more than it can hold")):
        sections[3] = sections[3][:6] + struct.pack("<I", last) + sections[3][10:]
        refused(read_scp, write(tmp_path / "a.scp", scp(sections)), word)
    del sections[6]
    refused(read_scp, write(tmp_path / "b.scp", scp(sections)), "no rhythm")
    refused(read_scp, write(tmp_path / "c.scp", b"x" * 100), "not an SCP-ECG file")
