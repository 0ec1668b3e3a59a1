"""Holter recordings in ISHNE's standard output file, version 1.0 (Badilini, Ann Noninvasive Electrocardiol 1998).

A header of 522 bytes, a block of any length, and 16-bit samples, one of each lead in turn, all little-endian. The
checksum is not verified: many recorders write a wrong one. ishneholterlib on PyPI is not used: see docs/formats.md.
"""

import struct
from pathlib import Path

import numpy as np

from ecg.data.formats.common import refuse_damage, require_timing, years_between
from ecg.data.formats.physical import PhysicalRecording, require_leads
from ecg.data.lead_names import ISHNE_NUMBERS
from ecg.data.wfdb_files import LARGEST_SIGNAL
from ecg.errors import RecordError
from ecg.files import read_bytes

MAGIC = b"ISHNE1.0"
HEADER = 522  # bytes
MOST_LEADS = 12
SEXES = {1: "male", 2: "female"}


def read_ishne(path: Path) -> PhysicalRecording:
    """Read an ISHNE Holter file. Raises RecordError if it is damaged or has none of the twelve leads."""
    content = read_bytes(path, LARGEST_SIGNAL)
    if content[:8] != MAGIC:
        raise RecordError(f"{path}: is not an ISHNE 1.0 Holter file (it does not begin with {MAGIC.decode()})")
    if len(content) < HEADER:
        raise RecordError(f"{path}: ends within its header; copy it again")
    with refuse_damage(path, "ISHNE"):
        return _to_recording(str(path), content)


def _to_recording(place: str, content: bytes) -> PhysicalRecording:
    claimed, start = struct.unpack_from("<i4xi", content, 14)
    sex, *_ = struct.unpack_from("<h", content, 128)
    born, recorded = (struct.unpack_from("<3h", content, offset) for offset in (132, 138))  # day, month, year
    count, *_ = struct.unpack_from("<h", content, 156)
    codes, resolutions = (struct.unpack_from("<12h", content, offset) for offset in (158, 206))
    rate, *_ = struct.unpack_from("<h", content, 272)
    if not 1 <= count <= MOST_LEADS or not HEADER <= start <= len(content):
        raise RecordError(f"{place}: has a damaged header; copy it again")
    names = [ISHNE_NUMBERS.get(code, f"number {code}") for code in codes[:count]]
    rows = require_leads(names, place)
    samples = _samples(place, claimed, (len(content) - start) // 2, count)
    require_timing(place, rate, samples)
    if bad := [resolutions[row] for row in rows.values() if resolutions[row] <= 0]:
        raise RecordError(f"{place}: a lead's resolution is {bad[0]} nV; export it with its calibration")
    values = np.frombuffer(content, "<i2", samples * count, start).reshape(samples, count)
    return PhysicalRecording(
        leads=list(rows),
        rate=float(rate),
        microvolts=np.array([values[:, row] * (resolutions[row] / 1000) for row in rows.values()]),
        age=years_between(*(f"{year:04d}{month:02d}{day:02d}" for day, month, year in (born, recorded))),
        sex=SEXES.get(sex),
        diagnoses=(),
        channels=names,
    )


def _samples(place: str, claimed: int, values: int, count: int) -> int:
    """The samples of each lead. Recorders write either their number or the number of all leads' samples together."""
    if claimed < 1 or values not in (claimed, claimed * count) or values % count:
        raise RecordError(f"{place}: says {claimed} samples, it holds {values} of {count} leads; copy it again")
    return values // count
