"""Header and signal file -> Record. No other file opens a signal file.

A Challenge recording is ``A0001.hea``, text, beside ``A0001.mat``, MATLAB v4 with one int16 matrix ``val`` of shape
(leads, samples). wfdb reads the other formats. Files come from strangers: a header's claims are checked against the
signal, and no file outside the recording's own folder is read.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecg.data.header import Header, read_header
from ecg.data.lead_names import LEADS, find_leads
from ecg.data.listing import beside
from ecg.data.matlab import read_matrix
from ecg.errors import RecordError
from ecg.files import read_bytes

INVALID = -32768  # the WFDB's mark of a missing sample
INVALID_IN_FORMAT = {  # the same mark in the WFDB's other formats
    **dict.fromkeys(("80", "508"), -128),
    "212": -2048,
    "310": -512,
    "311": -512,
    **dict.fromkeys(("24", "524"), -(2**23)),
    "32": -(2**31),
}
LARGEST_SIGNAL = 5 << 30  # bytes: 24 hours at 2000 Hz
LONGEST = 48 * 3600.0  # seconds; a longer recording would fill the memory
MICROVOLTS = {"v": 1e6, "mv": 1e3, "uv": 1.0, "µv": 1.0, "μv": 1.0, "nv": 1e-3}  # per unit, in small letters


@dataclass(frozen=True)
class Record:
    """One recording with its leads in canonical order.

    ``counts``: ADC counts, int16 (12, samples), in the order of LEADS. ``mask``: bool (12,), False for a missing lead,
    whose counts are zero.
    """

    header: Header
    counts: np.ndarray
    mask: np.ndarray


def read_record(path: str | os.PathLike, lenient: bool = False) -> Record:
    """Read the recording whose header is at ``path``.

    Parameters
    ----------
    path : path
        The header file. The signal file stands beside it.
    lenient : bool
        True: a signal shorter or longer than the header says is used as it is, because a hidden test needs an answer
        for every recording. False: such a recording raises RecordError.

    Returns
    -------
    Record

    Raises
    ------
    RecordError
        If the header or the signal is missing, damaged, or contradicts the other.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from ecg.simulation.dataset import simulate_folder
    >>> header, *_ = simulate_folder(mkdtemp(), records=1, seed=1)
    >>> read_record(header).counts.shape[0]
    12
    """
    header = read_header(path)
    recording = read_signal(path, header)
    if not lenient and header.samples not in (None, recording.shape[1]):
        raise RecordError(
            f"{path}: says {header.samples} samples, its signal file holds {recording.shape[1]}; fetch it again"
        )
    return make_record(header, recording, str(path))


def read_signal(path: str | os.PathLike, header: Header) -> np.ndarray:
    """The signal beside the header at ``path``: ADC counts (leads, samples) in the header's order."""
    if _is_matlab(path, header):
        return read_mat(beside(path, ".mat"))
    read = _read_by_wfdb(Path(path), header, physical=False)
    marks = np.array([INVALID_IN_FORMAT.get(form, INVALID) for form in read.fmt])
    signal = np.asarray(read.d_signal).T
    return np.where(signal == marks[:, np.newaxis], INVALID, signal)


def read_microvolts(path: str | os.PathLike, header: Header) -> np.ndarray:
    """The signal in uV by the header's gains and units: float64 (leads, samples).

    Missing samples are NaN, and so are leads whose unit is not a voltage.
    """
    if _is_matlab(path, header):
        counts = np.asarray(read_signal(path, header), np.float64)
        if len(counts) != len(header.signals):
            raise RecordError(f"{path}: {len(header.signals)} leads in the header, a signal of shape {counts.shape}")
        baselines, gains = np.array([(line.baseline, line.gain) for line in header.signals]).T[:, :, np.newaxis]
        signal = (np.where(counts == INVALID, np.nan, counts) - baselines) / gains
    else:
        signal = np.asarray(_read_by_wfdb(Path(path), header, physical=True).p_signal, np.float64).T
    return signal * [[MICROVOLTS.get(line.unit.lower(), np.nan)] for line in header.signals]


def _is_matlab(path: str | os.PathLike, header: Header) -> bool:
    """Whether this file reads the signal. wfdb is slower, and fails on odd headers."""
    return beside(path, ".mat").exists() or not header.signals or header.signals[0].file.lower().endswith(".mat")


def read_mat(path: str | os.PathLike) -> np.ndarray:
    """The matrix ``val`` (leads, samples) of a MATLAB file; RecordError if it is missing or damaged."""
    content = read_bytes(path, LARGEST_SIGNAL)
    try:
        return read_matrix(content, LARGEST_SIGNAL)
    except ValueError as error:
        raise RecordError(f"{path}: {error}") from error


def _read_by_wfdb(path: Path, header: Header, physical: bool) -> Any:
    """A wfdb.Record, in counts or ``physical`` units. Only files beside the header are read."""
    for file in {signal.file for signal in header.signals}:
        if Path(file).name != file:
            raise RecordError(f"{path}: names a signal file outside its own folder; that is refused")
        if not os.path.isfile(path.parent / file):  # unlike Path.is_file, it accepts a name of any length
            raise RecordError(f"{path}: there is no signal file {file:.100} beside it")
    if 2 * len(header.signals) * (header.samples or 0) > LARGEST_SIGNAL:
        raise RecordError(f"{path}: claims {header.samples:,} samples, more than any such file")
    import wfdb

    try:
        return wfdb.rdrecord(str(path.with_suffix("")), physical=physical)
    except Exception as error:  # wfdb raises errors of many types
        raise RecordError(f"{path}: its signal cannot be read ({error})") from error


def make_record(header: Header, recording: np.ndarray, place: str = "recording") -> Record:
    """Put a signal into canonical form.

    Parameters
    ----------
    header : Header
        Names the leads of ``recording``, in order.
    recording : array (leads, samples)
        ADC counts of any number type.
    place : str
        The recording's name in error messages.

    Returns
    -------
    Record
        Leads are found by name. Of a lead named twice the first one counts. A lead that LEADS does not name is left
        out.

    Raises
    ------
    RecordError
        If the header and the recording disagree about the number of leads, none of the twelve leads is there, or the
        recording is too long.

    Examples
    --------
    >>> from ecg.data.header import parse_header
    >>> header = parse_header("A0001 1 500 4\\nA0001.mat 16+24 1000/mV 16 0 0 0 0 aVR")
    >>> record = make_record(header, np.array([[1.0, 2.4, np.nan, 40_000.0]]))
    >>> record.counts[3].tolist(), record.mask.sum()
    ([1, 2, -32768, 32767], np.int64(1))
    """
    recording = np.asarray(recording)
    if recording.ndim != 2 or recording.shape[0] != len(header.leads) or not recording.shape[1]:
        raise RecordError(f"{place}: {len(header.leads)} leads in the header, a signal of shape {recording.shape}")
    if recording.shape[1] > LONGEST * header.rate:
        raise RecordError(f"{place}: lasts {recording.shape[1] / header.rate / 3600:.0f} hours; cut it into pieces")
    rows = find_leads(header.leads)
    mask = np.array([lead in rows for lead in LEADS])
    if not mask.any():
        raise RecordError(f"{place}: none of the leads {', '.join(LEADS)} (it has {', '.join(header.leads)})")
    counts = np.zeros((len(LEADS), recording.shape[1]), np.int16)
    for index in np.flatnonzero(mask):
        counts[index] = to_counts(recording[rows[LEADS[index]]])
    return Record(header, counts, mask)


def signal_digest(record: Record) -> bytes:
    """A digest of the counts: equal for equal signals, whatever their headers say."""
    return hashlib.blake2b(np.ascontiguousarray(record.counts).data, digest_size=16).digest()


def to_counts(recording: np.ndarray) -> np.ndarray:
    """``recording`` as int16 counts: rounded, clipped to +-32767; a sample that is not finite becomes INVALID."""
    if recording.dtype == np.int16:
        return recording
    recording = np.asarray(recording, np.float64)
    clipped = np.clip(np.rint(recording), -32767, 32767)
    return np.where(np.isfinite(recording) & (recording != INVALID), clipped, INVALID).astype(np.int16)
