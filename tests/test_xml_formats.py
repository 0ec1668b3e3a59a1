"""HL7 aECG, GE MUSE and Philips XML: what was written is read; hostile XML is refused, with why."""

import struct

import numpy as np
import pytest

from ecg.data.formats.xml import read_xml
from ecg.data.lead_names import LEADS
from tests.hospital_files import (
    NAME,
    aecg,
    aecg_sequence,
    base64_text,
    counts,
    limb_leads,
    lzw,
    muse,
    philips,
    refused,
    write,
    xli,
)


def test_aecg(tmp_path):
    values = counts()
    recording = read_xml(write(tmp_path / "a.xml", aecg(values)))
    assert tuple(recording.leads) == LEADS and recording.rate == 500
    np.testing.assert_allclose(recording.microvolts, values * 2.5)
    assert (recording.age, recording.sex) == (40, "female") and NAME not in repr(recording)


def test_aecg_units_origins_and_increments(tmp_path):
    values = counts()
    text = aecg(values, ("4", "ms"), unit="mV", scale="0.005", origin='<origin value="100" unit="uV"/>')
    recording = read_xml(write(tmp_path / "a.xml", text))
    assert recording.rate == 250
    np.testing.assert_allclose(recording.microvolts, values * 5.0 + 100)
    age = '<x><relatedObservation><code code="21612-7"/><value value="{}" unit="{}"/></relatedObservation></x>'
    recording = read_xml(write(tmp_path / "b.xml", aecg(values, more=age.format(6, "mo"))))
    assert recording.age == 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unit": "mmHg"}, ("mmHg", "not a voltage")),
        ({"unit": ""}, ("not a voltage",)),
        ({"scale": "0"}, ("scale 0",)),
        ({"increment": ("1", "min")}, ("sampling rate",)),
        ({"code": "REPRESENTATIVE_BEAT"}, ("no rhythm",)),
        ({"scale": NAME}, ("damaged",)),
    ],
)
def test_aecg_refusals(tmp_path, options, words):
    refused(read_xml, write(tmp_path / "a.xml", aecg(counts(), **options)), *words)


def test_aecg_with_damaged_digits(tmp_path):
    text = aecg(counts())
    start = text.index("<digits>") + len("<digits>")
    refused(read_xml, write(tmp_path / "a.xml", text[:start] + "7\n" + text[start:]), "different numbers")
    refused(read_xml, write(tmp_path / "b.xml", text[:start] + "x\n" + text[start:]), "damaged")


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "UTF-8", "UTF-16"])
def test_muse_with_its_computed_leads(tmp_path, encoding):
    values = counts(8)
    recording = read_xml(write(tmp_path / "a.xml", muse(values, encoding=encoding), encoding))
    assert tuple(recording.leads) == LEADS and recording.rate == 500
    np.testing.assert_allclose(recording.microvolts, limb_leads(values) * 4.88, atol=1e-9)
    assert (recording.age, recording.sex) == (45, "male") and NAME not in repr(recording)


def test_muse_units_exponents_and_stored_leads(tmp_path):
    values = counts(12)
    text = muse(values, base=25, exponent=1, leads=[lead.upper() for lead in LEADS], gain="0.005", unit="MILLIVOLTS")
    recording = read_xml(write(tmp_path / "a.xml", text.replace("YEARS", "MONTHS")))
    assert recording.rate == 250 and recording.age == 3.75
    np.testing.assert_allclose(recording.microvolts, values * 5.0)
    recording = read_xml(write(tmp_path / "b.xml", text.replace("<AgeUnits>YEARS</AgeUnits>", "")))
    assert recording.age is None


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("mVolt", 1e3),
        ("microvolt", 1),
        ("Microvolts", 1),
        ("uVolts", 1),
        ("microV", 1),
        ("nanovolts", 1e-3),
        ("V", 1e6),
    ],
)
def test_names_of_units(tmp_path, unit, factor):
    values = counts(8)
    expected = limb_leads(values) * factor * 2.5
    for unit_or_step in (unit, f"{unit}/LSB"):
        recording = read_xml(write(tmp_path / "a.xml", muse(values, gain="2.5", unit=unit_or_step)))
        np.testing.assert_allclose(recording.microvolts, expected, rtol=1e-12)


def test_decimal_commas(tmp_path):
    values = counts(8)
    recording = read_xml(write(tmp_path / "a.xml", muse(values, gain="4,88")))
    np.testing.assert_allclose(recording.microvolts, limb_leads(values) * 4.88, atol=1e-9)
    recording = read_xml(write(tmp_path / "b.xml", aecg(counts(), ("0,002", "s"), scale="2,5")))
    assert recording.rate == 500
    np.testing.assert_array_equal(recording.microvolts, counts() * 2.5)
    facts, data = "<resolution>2,5</resolution>", base64_text(xli(counts()))
    recording = read_xml(write(tmp_path / "c.xml", philips(data, facts=facts, age="<age><months>7</months></age>")))
    np.testing.assert_array_equal(recording.microvolts, counts() * 2.5)
    assert recording.age == pytest.approx(7 / 12)


def test_aecg_sets_of_the_same_time_are_read_together(tmp_path):
    values = counts()
    first = "".join(aecg_sequence(f"MDC_ECG_LEAD_{lead.upper()}", row) for lead, row in zip(LEADS[:6], values))
    whole = aecg(values)
    start, end = whole.index('<component><sequence><code code="MDC'), whole.index("</sequenceSet>")
    rest = whole[start:end].removeprefix(first)
    times = whole[whole.index('<component><sequence><code code="TIME') : start]
    apart = whole[:start] + first + f"</sequenceSet></component><component><sequenceSet>{times}{rest}" + whole[end:]
    recording = read_xml(write(tmp_path / "a.xml", apart))
    assert list(recording.leads) == list(LEADS)
    np.testing.assert_array_equal(recording.microvolts, values * 2.5)
    later = apart.replace('20010304101112"/><increment', '20010304101122"/><increment', 1)
    assert len(read_xml(write(tmp_path / "b.xml", later)).leads) == 6


@pytest.mark.parametrize("label", ["RHYTHM", "72 beats/min", "Rhythm, 72 beats per minute", "meaningful", "12 beats"])
def test_what_is_no_averaged_beat(tmp_path, label):
    assert tuple(read_xml(write(tmp_path / "a.xml", muse(counts(8), kind=label))).leads) == LEADS


@pytest.mark.parametrize(
    ("declared", "encoding", "name"),
    [
        ("UTF-16", "utf-8", "Müller"),
        ("UTF-8", "utf-16", "Müller"),
        ("UTF-8", "latin-1", "Müller"),
        ("windows-1252", "cp1252", "Müller"),
        ("GBK", "gbk", "王"),
        ("Shift_JIS", "shift_jis", "山"),
        ("klingon", "utf-8", "Müller"),
    ],
)
def test_odd_and_wrongly_declared_encodings(tmp_path, declared, encoding, name):
    text = muse(counts(8), encoding=declared).replace(NAME, name)
    assert read_xml(write(tmp_path / "a.xml", text, encoding)).microvolts.shape == (12, 1000)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unit": ""}, ("LeadAmplitudeUnits",)),
        ({"unit": "BITS"}, ("BITS",)),
        ({"gain": "0"}, ("no gain",)),
        ({"kind": "Median"}, ("no rhythm",)),
        ({"base": 0}, ("0 Hz",)),
        ({"more": "<LeadSampleCountTotal>7</LeadSampleCountTotal>"}, ()),
        ({"exponent": 400}, ()),
        ({"leads": ["X", "Y", "Z"]}, ("none of the twelve leads",)),
    ],
)
def test_muse_refusals(tmp_path, options, words):
    text = muse(counts(8), **options)
    if not words and "more" in options:
        text = text.replace("<LeadSampleCountTotal>1000</LeadSampleCountTotal>", "")
    refused(read_xml, write(tmp_path / "a.xml", text), *words)


def test_muse_leads_of_different_times_are_refused(tmp_path):
    text = muse(counts(8))
    start = text.index("Rhythm")
    later = text[start:].replace("<LeadTimeOffset>0<", "<LeadTimeOffset>2500<", 1)
    refused(read_xml, write(tmp_path / "a.xml", text[:start] + later), "not simultaneous")
    refused(read_xml, write(tmp_path / "b.xml", text[:start] + later.replace("2500", NAME)), "damaged")


def test_philips_compressed(tmp_path):
    values = counts()
    text = philips(base64_text(xli(values)))
    recording = read_xml(write(tmp_path / "a.xml", text))
    assert tuple(recording.leads) == LEADS and recording.rate == 500
    np.testing.assert_array_equal(recording.microvolts, values * 5.0)
    assert (recording.age, recording.sex) == (40, "female") and NAME not in repr(recording)
    sierra = pytest.importorskip("sierraecg").read_file(str(tmp_path / "a.xml"))  # another reader of the format
    np.testing.assert_array_equal([lead.samples for lead in sierra.leads], values)


def test_philips_with_other_names_of_leads_and_capitals(tmp_path):
    values = counts()
    text = philips(base64_text(xli(values)))
    labels = ", ".join(["I", "II", "III", "AVR", "AVL", "AVF", *(f"C{i}" for i in range(1, 7))])
    text = text.replace(" ".join(LEADS), labels).replace('dataencoding="Base64"', 'dataencoding="BASE64"')
    recording = read_xml(write(tmp_path / "a.xml", text.replace('compression="XLI"', 'compression="xli"')))
    assert tuple(recording.leads) == LEADS
    np.testing.assert_array_equal(recording.microvolts, values * 5.0)


@pytest.mark.parametrize("encoding", ["Base64", "Plain"])
def test_philips_uncompressed(tmp_path, encoding):
    values = counts()
    data = base64_text(values.astype("<i2").tobytes()) if encoding == "Base64" else " ".join(map(str, values.ravel()))
    facts = "<signalresolution>2.5</signalresolution><signaloffset>7</signaloffset>"
    age = "<age><years>6</years></age>"
    text = philips(data, 1000, f'dataencoding="{encoding}" compressflag="False"', facts, labels=False, age=age)
    recording = read_xml(write(tmp_path / "a.xml", text))
    assert recording.age == 6
    np.testing.assert_array_equal(recording.microvolts, (values - 7.0) * 2.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("<resolution>5</resolution>", ""), ("resolution",)),
        (('compression="XLI"', 'compression="ZIP"'), ("ZIP",)),
        (('leadlabels="I II', 'leadlabels="II I'), ("do not begin with I",)),
        (('durationperchannel="2000"', 'durationperchannel="3000"'), ("fewer than 1500",)),
        (('durationperchannel="2000"', 'durationperchannel="99999999"'), ("hours",)),
        (('durationperchannel="2000"', ""), ()),
        (("<samplingrate>500<", f"<samplingrate>{NAME}<"), ("damaged",)),
    ],
)
def test_philips_refusals(tmp_path, change, words):
    text = philips(base64_text(xli(counts())))
    assert change[0] in text
    refused(read_xml, write(tmp_path / "a.xml", text.replace(*change)), *words)


def test_philips_bombs_and_negative_sizes(tmp_path):
    bomb = lzw(bytes(1 << 20))
    refused(read_xml, write(tmp_path / "a.xml", philips(base64_text(struct.pack("<ihh", len(bomb), 0, 0) + bomb))))
    refused(read_xml, write(tmp_path / "b.xml", philips(base64_text(struct.pack("<ihh", -8, 0, 0)))), "cut off")


BOMB = '<!DOCTYPE a [<!ENTITY x0 "ha">{}]><RestingECG>&x20;</RestingECG>'.format(
    "".join(f'<!ENTITY x{i} "&x{i - 1};&x{i - 1};">' for i in range(1, 21))
)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (BOMB, "entities"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><RestingECG>&x;</RestingECG>', "entities"),
        ('<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><RestingECG/>', "entities"),
        ("<a>" * 150 + "</a>" * 150, "elements"),
        ("<RestingECG>" + "<a/>" * 250_000 + "</RestingECG>", "elements"),
        ("<RestingECG " + "a" * (5 << 20) + "='1'/>", "longer tag"),
        ("<html/>", "html"),
        ("", "well-formed"),
        ("no xml", "well-formed"),
        ("<RestingECG>", "well-formed"),
        ("<RestingECG/>", "no rhythm"),
        ("<AnnotatedECG/>", "no rhythm"),
        ("<restingecgdata/>", "no waveforms"),
        (b"<?xml version='1.0' encoding='klingon'?><RestingECG/>", "no rhythm"),
        (b"\xff\xfe\x00\x00", "well-formed"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_hostile_xml(tmp_path, text, word):
    refused(read_xml, write(tmp_path / "a.xml", text), word)
