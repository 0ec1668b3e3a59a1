"""Header and signal file, or a file of another format -> Record. All recordings come in through ``read_record``.

A Challenge recording is ``A0001.hea``, text, beside ``A0001.mat``, MATLAB v4 with one int16 matrix ``val`` of shape
(leads, samples). wfdb reads the other formats. Files come from strangers: a header's claims are checked against the
signal, and no file outside the recording's own folder is read.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ecg.data.challenge_files import header_content, patient_facts
from ecg.data.formats.opening import find_format, read_physical
from ecg.data.formats.physical import LONGEST, MICROVOLTS, PhysicalRecording, require_leads
from ecg.data.header import Header, parse_header, read_header
from ecg.data.lead_names import LEADS, find_leads
from ecg.data.listing import beside
from ecg.data.matlab import read_matrix
from ecg.data.wfdb_files import INVALID, LARGEST_SIGNAL, read_by_wfdb
from ecg.errors import RecordError
from ecg.files import read_bytes

MOST_CLIPPED = 0.01  # of the samples outside 16 bits


@dataclass(frozen=True)
class Record:
    """One recording with its leads in canonical order.

    ``counts``: ADC counts, int16 (12, samples), in the order of LEADS. ``mask``: bool (12,), False for a missing lead,
    whose counts are zero. ``scaled``: the samples did not fit into 16 bits and are in uV, by the header's gains.
    ``channels``: the names of all signals in the file, if it is of another format. None: those of the header.
    """

    header: Header
    counts: np.ndarray
    mask: np.ndarray
    scaled: bool = False
    channels: Sequence[str] | None = None


def read_record(path: str | os.PathLike, lenient: bool = False) -> Record:
    """Read the recording at ``path``.

    Parameters
    ----------
    path : path
        A header file, with the signal file beside it, or a file of another format (``ecg.data.formats.opening``). The
        signal of another format is converted to counts of 1 uV by its own gains and units.
    lenient : bool
        True: a signal shorter or longer than the header says is used as it is, because a hidden test needs an answer
        for every recording. False: such a recording raises RecordError.

    Returns
    -------
    Record

    Raises
    ------
    RecordError
        If the header or the signal is missing, damaged, or contradicts the other; or if the package that reads the
        format is not installed.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from ecg.simulation.dataset import simulate_folder
    >>> header, *_ = simulate_folder(mkdtemp(), records=1, seed=1)
    >>> read_record(header).counts.shape[0]
    12
    """
    file, channels = Path(path), None
    if find_format(file):
        physical = read_physical(file)
        signal, text = to_challenge_format("recording", physical, str(file))
        header = replace(parse_header(text, file.stem, str(file)), samples=physical.samples)
        channels = physical.channels
    else:
        header, signal = join_segments(path, read_header(path), read_signal)
    if not lenient:
        require_length(header.samples, signal.shape[1], str(path))
    return replace(make_record(header, signal, str(path)), channels=channels)


def require_length(said: int | None, samples: int, place: str) -> None:
    """Raises RecordError if a header says another number of samples, ``said``, than the signal has."""
    if said not in (None, samples):
        raise RecordError(f"{place}: says {said} samples, its signal file holds {samples}; fetch it again")


def to_challenge_format(name: str, recording: PhysicalRecording, place: str) -> tuple[np.ndarray, str]:
    """Convert a recording to counts of 1 uV, int16 (leads, samples), and its header. Only the twelve leads are kept.

    Raises RecordError if it has none of them, or no samples. ``place`` names it in errors.
    """
    rows = require_leads(recording.leads, place)
    counts = to_counts(np.asarray(recording.microvolts, np.float64)[list(rows.values())])
    if not counts.size:
        raise RecordError(f"{place}: has no samples; export it again")
    comments = patient_facts(recording.age, recording.sex, recording.diagnoses)
    return counts, header_content(name, list(rows), recording.rate, counts, comments)


def read_signal(path: Path, header: Header) -> np.ndarray:
    """The signal beside the header at ``path``: ADC counts (leads, samples) in the header's order."""
    if _is_matlab(path, header):
        return read_mat(beside(path, ".mat"))
    return read_by_wfdb(path, header)


def join_segments(
    path: str | os.PathLike, header: Header, read: Callable[[Path, Header], np.ndarray]
) -> tuple[Header, np.ndarray]:
    """``header`` and its signal (leads, samples), joined if the recording is in several parts (the WFDB's segments).

    ``read`` reads the signal of one header. The leads are those of the first part. Gaps, and leads that a part lacks,
    are INVALID, or NaN in floating-point signals. Raises RecordError if a part is missing or damaged.
    """
    if not header.segments:
        return header, read(Path(path), header)
    parts: list[tuple[Header | None, np.ndarray]] = []
    for name, samples in header.segments:
        if name == "~":
            parts.append((None, np.zeros((0, samples))))
        elif samples:  # a part without samples only lists leads
            if Path(name).name != name:
                raise RecordError(f"{path}: names a part outside its own folder; that is refused")
            file = beside(Path(path).with_name(f"{name}.x"), ".hea")
            of_part = read_header(file)
            parts.append((of_part, read(file, of_part)))
    first = next((part for part, _ in parts if part), None)
    if first is None or sum(signal.shape[1] for _, signal in parts) > LONGEST * header.rate:
        raise RecordError(f"{path}: its parts hold no signal, or more than {LONGEST / 3600:.0f} hours")
    joined = []
    for part, signal in parts:
        missing = np.nan if signal.dtype.kind == "f" and part else INVALID
        rows = np.full((len(first.leads), signal.shape[1]), missing, signal.dtype if part else np.int16)
        for row, lead in enumerate(first.leads):
            if part and lead in part.leads:
                rows[row] = signal[part.leads.index(lead)]
        joined.append(rows)
    whole = np.concatenate(joined, axis=1)
    if whole.dtype.kind == "f":
        whole[whole == INVALID] = np.nan
    return replace(header, signal_lines=first.signal_lines), whole


def read_microvolts(path: Path, header: Header) -> np.ndarray:
    """The signal in uV by the header's gains and units: float64 (leads, samples).

    Missing samples are NaN, and so are leads whose unit is not a voltage.
    """
    counts = read_signal(path, header)
    if len(counts) != len(header.signals):
        raise RecordError(f"{path}: {len(header.signals)} leads in the header, a signal of shape {counts.shape}")
    return to_microvolts(counts, header)


def to_microvolts(counts: np.ndarray, header: Header) -> np.ndarray:
    """``counts`` (leads, samples) in uV by the header's gains, baselines and units; NaN as in ``read_microvolts``."""
    baselines, gains = np.array([(line.baseline, line.gain) for line in header.signals]).T[:, :, np.newaxis]
    microvolts = np.array([[MICROVOLTS.get(line.unit.lower(), np.nan)] for line in header.signals])
    return (np.where(counts == INVALID, np.nan, counts) - baselines) / gains * microvolts


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
        out. Samples that do not fit into 16 bits cannot be counts of 1 uV: if more than MOST_CLIPPED of them do not,
        the header's gains, baselines and units convert the recording.

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
    scaled = recording.dtype != np.int16 and (abs(recording[list(rows.values())]) > 32768).mean() > MOST_CLIPPED
    if scaled:
        recording = to_microvolts(recording, header)
    counts = np.zeros((len(LEADS), recording.shape[1]), np.int16)
    for index in np.flatnonzero(mask):
        counts[index] = to_counts(recording[rows[LEADS[index]]])
    return Record(header, counts, mask, scaled)


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
