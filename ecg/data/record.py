"""Header and signal file, or a file of another format -> Record. All recordings come in through ``read_record``.

A Challenge recording is ``A0001.hea``, text, beside ``A0001.mat``, MATLAB v4 with one int16 matrix ``val`` of shape
(leads, samples). wfdb reads the other formats. Files come from strangers: a header's claims are checked against the
signal, and no file outside the recording's own folder is read (``signal_files``).
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ecg.data.challenge_files import header_content, patient_facts
from ecg.data.formats.opening import find_format, read_physical, recording_name
from ecg.data.formats.physical import LONGEST, PhysicalRecording, require_leads, require_voltages
from ecg.data.header import Header, parse_header
from ecg.data.lead_names import LEADS, find_leads
from ecg.data.signal_files import read_counts, to_microvolts
from ecg.data.wfdb_files import INVALID
from ecg.errors import RecordError

MOST_CLIPPED = 0.01  # of the samples outside 16 bits
LARGE_OFFSET = 16384  # uV


@dataclass(frozen=True)
class Record:
    """One recording with its leads in canonical order.

    ``counts``: ADC counts, int16 (12, samples), in the order of LEADS. ``mask``: bool (12,), False for a missing lead,
    whose counts are zero. ``scaled``: the samples did not fit into 16 bits and are in uV, by the header's gains.
    ``centred``: the leads whose constant offset, of the electrodes, did not fit into 16 bits and is subtracted.
    ``channels``: the names of all signals in the file, if it is of another format. None: those of the header.
    """

    header: Header
    counts: np.ndarray
    mask: np.ndarray
    scaled: bool = False
    centred: tuple[str, ...] = ()
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
    file = Path(path)
    if find_format(file):
        physical = read_physical(file)
        signal, text = to_challenge_format("recording", physical, str(file))
        header = replace(parse_header(text, recording_name(file), str(file)), samples=physical.samples)
        offset = tuple(line.lead for line in header.signals if line.baseline)
        record = replace(make_record(header, signal, str(path)), channels=physical.channels, centred=offset)
    else:
        record = make_record(*read_counts(path), str(path))
    if not lenient:
        require_length(record.header.samples, record.counts.shape[1], str(path))
    return record


def require_length(said: int | None, samples: int, place: str) -> None:
    """Raises RecordError if a header says another number of samples, ``said``, than the signal has."""
    if said not in (None, samples):
        raise RecordError(f"{place}: says {said} samples, its signal file holds {samples}; fetch it again")


def to_challenge_format(name: str, recording: PhysicalRecording, place: str) -> tuple[np.ndarray, str]:
    """Convert a recording to counts of 1 uV, int16 (leads, samples), and its header. Only the twelve leads are kept.

    An offset beyond 16 bits is subtracted, and is the lead's baseline in the header. Raises RecordError if none of the
    twelve leads is there, or no samples. ``place`` names it in errors.
    """
    rows = require_leads(recording.leads, place)
    microvolts = np.asarray(recording.microvolts, np.float64)[list(rows.values())]
    if not microvolts.size:
        raise RecordError(f"{place}: has no samples; export it again")
    offsets = large_offsets(microvolts)
    counts = to_counts(microvolts - offsets[:, np.newaxis])
    comments = patient_facts(recording.age, recording.sex, recording.diagnoses)
    return counts, header_content(name, list(rows), recording.rate, counts, comments, -offsets)


def large_offsets(microvolts: np.ndarray) -> np.ndarray:
    """In whole uV, the median of each lead that does not fit into 16 bits because of its median; else 0."""
    offsets = np.zeros(len(microvolts))
    for row, lead in enumerate(microvolts):
        if (abs(lead) > 32767).mean() > MOST_CLIPPED and abs(median := np.nanmedian(lead)) > LARGE_OFFSET:
            offsets[row] = np.rint(median)
    return offsets


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
        transposed = recording.shape[1:] == (len(header.leads),)
        advice = "it is (samples, leads): transpose it" if transposed else "it must be (leads, samples)"
        shapes = f"{len(header.leads)} leads in the header, a signal of shape {recording.shape}"
        raise RecordError(f"{place}: {shapes}; {advice}")
    if recording.shape[1] > LONGEST * header.rate:
        raise RecordError(f"{place}: lasts {recording.shape[1] / header.rate / 3600:.0f} hours; cut it into pieces")
    rows = find_leads(header.leads)
    mask = np.array([lead in rows for lead in LEADS])
    if not mask.any():
        raise RecordError(f"{place}: none of the leads {', '.join(LEADS)} (it has {', '.join(header.leads)})")
    scaled = recording.dtype != np.int16 and (abs(recording[list(rows.values())]) > 32768).mean() > MOST_CLIPPED
    centred: tuple[str, ...] = ()
    if scaled:
        require_voltages(place, [header.signals[row].unit for row in rows.values()])
        recording = to_microvolts(recording, header)
        offsets = large_offsets(recording)
        recording -= offsets[:, np.newaxis]
        centred = tuple(lead for lead, row in rows.items() if offsets[row])
    counts = np.zeros((len(LEADS), recording.shape[1]), np.int16)
    for index in np.flatnonzero(mask):
        counts[index] = to_counts(recording[rows[LEADS[index]]])
    return Record(header, counts, mask, scaled, centred)


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
