"""Which reader opens a file: by its suffix, in capitals or not, and by its first bytes if others use the suffix too."""

import importlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from ecg.data.formats.physical import PhysicalRecording
from ecg.errors import RecordError
from ecg.files import NON_BLOCKING

BEGINNING = 4096  # bytes that are searched for the mark of a format
REQUIREMENTS = "requirements-data.txt"  # installs the packages that readers need


class Format(NamedTuple):
    """A file format: the module in this room and its function that read it, and what only its files begin with."""

    module: str
    function: str
    mark: re.Pattern[bytes] | None = None


DICOM_ECG = re.compile(rb".{128}DICM.{0,64}1\.2\.840\.10008\.5\.1\.4\.1\.1\.9\.", re.DOTALL)  # not an image, not a list
XML_ECG = re.compile(rb"<([\w.-]+:)?(AnnotatedECG|RestingECG|restingecgdata)\b")  # HL7, GE MUSE, Philips
FORMATS = {
    ".edf": Format("edf", "read_edf"),
    ".bdf": Format("edf", "read_edf"),
    ".dcm": Format("dicom", "read_dicom"),
    ".ima": Format("dicom", "read_dicom", DICOM_ECG),
    "": Format("dicom", "read_dicom", DICOM_ECG),
    ".xml": Format("xml", "read_xml", XML_ECG),
    ".scp": Format("scp", "read_scp"),
    ".ecg": Format("ishne", "read_ishne", re.compile(rb"ISHNE1\.0")),
}
SUFFIXES = ", ".join(filter(None, FORMATS))  # for messages


def find_format(path: Path) -> Format | None:
    """The format of the file at ``path`` by its suffix; None for a WFDB header or an unknown suffix.

    >>> find_format(Path("A1.EDF")).function, find_format(Path("A1.hea"))
    ('read_edf', None)
    """
    return FORMATS.get(path.suffix.lower())


def is_recording(path: Path) -> bool:
    """Whether ``path`` is a file of these formats. The first bytes are only read if the suffix does not say it."""
    found = find_format(path)
    if found is None or found.mark is None:
        return found is not None
    try:
        descriptor = os.open(path, os.O_RDONLY | NON_BLOCKING)
        try:
            beginning = os.read(descriptor, BEGINNING)
        finally:
            os.close(descriptor)
    except OSError:
        return path.suffix != ""  # the reader reports why it cannot be read
    in_16_bits = beginning.replace(b"\0", b"")  # XML may be UTF-16
    return bool(found.mark.match(beginning) or found.mark.search(in_16_bits))


def read_physical(path: Path) -> PhysicalRecording:
    """Read the file at ``path``, which has one of FORMATS.

    Raises RecordError if it is damaged or no ECG, or if the package that reads it is not installed.
    """
    chosen = FORMATS[path.suffix.lower()]
    try:
        reader = getattr(importlib.import_module(f"{__package__}.{chosen.module}"), chosen.function)
        return reader(path)
    except ModuleNotFoundError as error:
        message = f"{path}: {error.name} is not installed: pip install -r {REQUIREMENTS}"
        raise RecordError(message) from error
