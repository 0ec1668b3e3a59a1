"""Which reader opens a file: by its suffix, in capitals or not, and by its first bytes if others use the suffix too."""

import importlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from ecg.data.formats.physical import PhysicalRecording
from ecg.errors import RecordError
from ecg.files import NON_BLOCKING

BEGINNING = 65536  # bytes that are searched for the mark of a format
REQUIREMENTS = "requirements-data.txt"  # installs the packages that readers need


class Format(NamedTuple):
    """A file format: the module in this room and its function that read it, and what only its files begin with."""

    module: str
    function: str
    mark: re.Pattern[bytes] | None = None


DICOM_ECG = re.compile(rb".{128}DICM.{0,64}1\.2\.840\.10008\.5\.1\.4\.1\.1\.9\.", re.DOTALL)  # not an image, not a list
XML_ECG = re.compile(rb"<([\w.-]+:)?(AnnotatedECG|RestingECG|restingecgdata)\b")  # HL7, GE MUSE, Philips
EDF = Format("edf", "read_edf")
DICOM, MARKED_DICOM = Format("dicom", "read_dicom"), Format("dicom", "read_dicom", DICOM_ECG)
SCP, MARKED_SCP = Format("scp", "read_scp"), Format("scp", "read_scp", re.compile(rb".{16}SCPECG", re.DOTALL))
ISHNE = Format("ishne", "read_ishne", re.compile(rb"ISHNE1\.0"))
FORMATS = {  # the formats of each suffix
    ".edf": (EDF,),
    ".bdf": (EDF,),
    ".rec": (Format("edf", "read_edf", re.compile(rb"0 {7}")),),
    ".dcm": (DICOM,),
    ".dicom": (DICOM,),
    ".dic": (MARKED_DICOM,),
    ".ima": (MARKED_DICOM,),
    "": (MARKED_DICOM,),  # and a number, the end of a unique identifier: 1.2.840.99.1
    ".xml": (Format("xml", "read_xml", XML_ECG),),
    ".scp": (SCP,),
    ".ecg": (ISHNE, MARKED_SCP, MARKED_DICOM),
}
SUFFIXES = ", ".join(filter(None, FORMATS))  # for messages


def find_format(path: Path) -> Format | None:
    """The format of the file at ``path`` by its suffix, the usual one of several; None for a header or another suffix.

    >>> find_format(Path("A1.EDF")).function, find_format(Path("A1.hea"))
    ('read_edf', None)
    """
    formats = _formats(path)
    return formats[0] if formats else None


def _formats(path: Path) -> tuple[Format, ...]:
    suffix = path.suffix.lower().partition(";")[0]  # names on a CD may end in ";1"
    return FORMATS.get("" if suffix[1:].isdecimal() else suffix, ())


def recording_name(path: str | os.PathLike) -> str:
    """The name of the recording at ``path``: without the suffix, but for a DICOM file whose name ends in a number.

    >>> recording_name(Path("data/A1.hea")), recording_name("1.2.840.99.1")
    ('A1', '1.2.840.99.1')
    """
    file = os.path.basename(path)
    name, suffix = os.path.splitext(file)
    return file if suffix[1:].isdecimal() else name


def is_recording(path: Path) -> bool:
    """Whether ``path`` is a file of these formats. The first bytes are only read if the suffix does not say it."""
    return any(one.mark is None for one in _formats(path)) or _by_content(path) is not None


def _by_content(path: Path) -> Format | None:
    """The format of the path's suffix whose mark the file has. A file that cannot be read counts as the usual one."""
    formats = _formats(path)
    if not formats:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | NON_BLOCKING)
        try:
            beginning = os.read(descriptor, BEGINNING)
        finally:
            os.close(descriptor)
    except OSError:
        return formats[0] if formats[0].mark != DICOM_ECG else None  # the reader reports why it cannot be read
    text = beginning.replace(b"\0", b"")  # XML may be UTF-16
    for one in formats:
        if one.mark and (one.mark.search(text) if one.mark is XML_ECG else one.mark.match(beginning)):
            return one
    return None


def read_physical(path: Path) -> PhysicalRecording:
    """Read the file at ``path``, whose suffix is in FORMATS.

    Raises RecordError if it is damaged or no ECG, or if the package that reads it is not installed.
    """
    formats = _formats(path)
    chosen = formats[0] if len(formats) == 1 else _by_content(path) or formats[0]
    try:
        reader = getattr(importlib.import_module(f"{__package__}.{chosen.module}"), chosen.function)
        return reader(path)
    except ModuleNotFoundError as error:
        message = f"{path}: {error.name} is not installed: pip install -r {REQUIREMENTS}"
        raise RecordError(message) from error
