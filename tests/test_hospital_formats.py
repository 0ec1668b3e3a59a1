"""A damaged file of any hospital's format is refused, or read as numbers of the right shape."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
)

from ecg.data.formats.dicom import read_dicom
from ecg.data.formats.ishne import read_ishne
from ecg.data.formats.scp import read_scp
from ecg.data.formats.xml import read_xml
from ecg.errors import RecordError
from tests.hospital_files import (
    DEFAULT,
    MDC_CODES,
    aecg,
    base64_text,
    counts,
    dicom_group,
    ishne,
    muse,
    philips,
    scp,
    scp_content,
    write,
    write_dicom,
    xli,
)


def intact(folder: Path) -> dict[str, tuple]:
    path = write_dicom(folder / "a.dcm", [dicom_group(counts(12, 50), MDC_CODES)])
    deflated = write_dicom(folder / "b.dcm", [dicom_group(counts(12, 50), MDC_CODES)], DeflatedExplicitVRLittleEndian)
    return {
        "dicom": (read_dicom, path.read_bytes()),
        "deflated": (read_dicom, deflated.read_bytes()),
        "aecg": (read_xml, aecg(counts(12, 50)).encode()),
        "muse": (read_xml, muse(counts(8, 50)).encode()),
        "philips": (read_xml, philips(base64_text(xli(counts(12, 50))), 50).encode()),
        "ishne": (read_ishne, ishne(counts(3, 50), [5, 6, 7])),
        "scp": (read_scp, scp(scp_content(counts(8, 50), 2, DEFAULT))),
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("damage")
    return folder, intact(folder)


@pytest.mark.parametrize("format", ["dicom", "deflated", "aecg", "muse", "philips", "ishne", "scp"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_refused_or_harmless(files, format, data):
    """A file cut anywhere is refused. One with changed bytes is refused too, or read as numbers of the right shape."""
    folder, formats = files
    read, content = formats[format]
    damaged = bytearray(content)
    cut = data.draw(st.booleans())
    if cut:
        damaged = damaged[: data.draw(st.integers(0, len(content) - 3))]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            damaged[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = write(folder / f"{format}.damaged", bytes(damaged))
    try:
        recording = read(path)
    except RecordError as error:
        assert str(path) in str(error)
    else:
        assert not cut
        assert len(recording.leads) == len(recording.microvolts) and recording.microvolts.dtype == np.float64
