"""The signal files beside a header -> counts: MATLAB's, all that wfdb reads, and recordings in several parts.

A signal file lies beside its header or below, and no other file is read: headers come from strangers.
"""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecg.data.formats.physical import LONGEST, microvolts_per
from ecg.data.header import Header, SignalLine, read_header
from ecg.data.lead_names import canonical_lead, find_leads
from ecg.data.listing import beside
from ecg.data.matlab import read_matrix
from ecg.data.wfdb_files import INVALID, LARGEST_SIGNAL, read_by_wfdb
from ecg.errors import RecordError
from ecg.files import is_inside, read_bytes

GAP = "~"  # a part, or a part's signal file, that was not recorded
Part = tuple[Header | None, np.ndarray]  # None: a gap


def read_counts(path: str | os.PathLike) -> tuple[Header, np.ndarray]:
    """The header at ``path`` and its signal: ADC counts (leads, samples), missing samples INVALID or NaN.

    The parts of a recording (the WFDB's segments) are joined. The header then has the leads of all parts, each with the
    gain, baseline and unit of the first part that has it. The counts of a part with others are converted to these.

    Raises RecordError if a file is missing, damaged or outside the header's folder, or parts have different rates.
    """
    header = read_header(path)
    if not header.segments:
        return header, _read_signal(Path(path), header)
    if sum(samples for _, samples in header.segments) > LONGEST * header.rate:
        raise RecordError(f"{path}: lasts more than {LONGEST / 3600:.0f} hours; cut it into pieces")
    layout, parts = _read_parts(Path(path), header)
    if all(part is None for part, _ in parts):
        raise RecordError(f"{path}: its parts hold no signal")
    headers = [part for part, _ in parts if part]
    frames = {part.frame for part in headers}
    if len(frames) > 1 or any(abs(part.rate / (header.rate * part.frame) - 1) > 1e-3 for part in headers):
        raise RecordError(f"{path}: its parts have other sampling rates than it says; that is refused")
    frame = frames.pop()
    lines: dict[str, str] = dict.fromkeys(map(_key, layout.leads), "") if layout else {}
    for part in headers:
        for line, signal_line in zip(part.signal_lines, part.signals):
            lines[_key(signal_line.lead)] = lines.get(_key(signal_line.lead)) or line
    lines = {lead: line for lead, line in lines.items() if line}
    samples = header.samples and header.samples * frame
    rate = header.rate * frame
    whole = replace(header, signal_lines=tuple(lines.values()), rate=rate, samples=samples, frame=frame)
    if header.age is None and header.sex is None:
        whole = replace(whole, age=headers[0].age, sex=headers[0].sex)
    joined = [_in_terms_of(whole, part, signal, frame) for part, signal in parts]
    counts = np.concatenate(joined, axis=1)
    if counts.dtype.kind == "f":
        counts[counts == INVALID] = np.nan
    return whole, counts


def _read_parts(path: Path, header: Header) -> tuple[Header | None, list[Part]]:
    """The layout, which lists leads and has no samples, and the parts in order."""
    layout: Header | None = None
    parts: list[Part] = []
    for name, samples in header.segments:
        if name == GAP:
            parts.append((None, np.zeros((0, samples))))
            continue
        if not is_inside(name):
            raise RecordError(f"{path}: names a part outside its own folder; that is refused")
        file = beside(path.parent / f"{name}.x", ".hea")
        if samples:
            part = read_header(file)
            parts.append((part, _read_signal(file, part)))
        elif file.exists():  # the parts have all that is needed
            layout = layout or read_header(file)
    return layout, parts


def _key(lead: str) -> str:
    """Two parts may write the name of a lead in different ways."""
    return canonical_lead(lead) or lead


def _in_terms_of(whole: Header, part: Header | None, signal: np.ndarray, frame: int) -> np.ndarray:
    """The ``signal`` of ``part`` with the leads, gains, baselines and units of ``whole``."""
    if part is None:
        return np.full((len(whole.leads), signal.shape[1] * frame), INVALID, np.int16)
    if len(signal) != len(part.leads):
        raise RecordError(f"{part.name}: {len(part.leads)} leads in the header, a signal of shape {signal.shape}")
    rows = {_key(lead): row for row, lead in reversed(list(enumerate(part.leads)))}
    of_part = [part.signals[rows[_key(line.lead)]] if _key(line.lead) in rows else line for line in whole.signals]
    same = all(_scale(line) == _scale(other) for line, other in zip(whole.signals, of_part))
    counts = np.full((len(whole.leads), signal.shape[1]), INVALID, signal.dtype if same else np.float64)
    for target, line, other in zip(counts, whole.signals, of_part):
        if _key(line.lead) in rows:
            values = signal[rows[_key(line.lead)]]
            target[:] = values if _scale(line) == _scale(other) else _rescaled(values, line, other, part.name)
    return counts


def _rescaled(values: np.ndarray, line: SignalLine, other: SignalLine, part: str) -> np.ndarray:
    """The counts of ``other`` in terms of ``line``. Raises RecordError if a lead's gain in uV is unknown.

    Another signal than one of the twelve leads is INVALID then.
    """
    factor = line.gain / other.gain * microvolts_per(other.unit) / microvolts_per(line.unit)
    if not np.isfinite(factor) or line.stated != other.stated:
        if canonical_lead(line.lead) is None:
            return np.full(len(values), INVALID)
        gains = f"{other.gain:g}/{other.unit}, that of other parts {line.gain:g}/{line.unit}"
        raise RecordError(f"{part}: the gain of {line.lead} is {gains}; correct the headers")
    return np.where(values == INVALID, INVALID, (values - other.baseline) * factor + line.baseline)


def _scale(line: SignalLine) -> tuple[float, float, str, bool]:
    return line.gain, line.baseline, line.unit, line.stated


def to_microvolts(counts: np.ndarray, header: Header) -> np.ndarray:
    """``counts`` (leads, samples) in uV by the header's gains, baselines and units: float64.

    Missing samples are NaN, and so are leads whose unit is not a voltage. Raises RecordError if the header has another
    number of leads.
    """
    if counts.ndim != 2 or len(counts) != len(header.signals):
        raise RecordError(f"{header.name}: {len(header.signals)} leads in the header, a signal of shape {counts.shape}")
    baselines, gains = np.array([(line.baseline, line.gain) for line in header.signals]).T[:, :, np.newaxis]
    microvolts = np.array([[microvolts_per(line.unit)] for line in header.signals])
    return (np.where(counts == INVALID, np.nan, counts) - baselines) / gains * microvolts


def _read_signal(path: Path, header: Header) -> np.ndarray:
    """The counts (leads, samples) of a recording in one part, or of one part.

    Signals whose file is missing are INVALID, unless one of them is one of the twelve leads.
    """
    names = dict.fromkeys(line.file for line in header.signals)
    matlab = beside(path, ".mat")
    if all(name.lower().endswith(".mat") for name in names) and matlab.exists():  # the usual case
        return read_mat(matlab)
    files = {name: file for name in names if (file := _find(path, name, names))}
    if not names or any(name.lower().endswith(".mat") for name in names) or (not files and matlab.exists()):
        return read_mat(matlab if matlab.exists() else next(iter(files.values()), matlab))
    leads = find_leads(header.leads).values() or range(len(header.leads))
    for name in names:
        if not is_inside(name):
            raise RecordError(f"{path}: names a signal file outside its own folder; that is refused")
        if name not in files and any(header.signals[row].file == name for row in leads):
            raise RecordError(f"{path}: there is no signal file {name:.100} beside it")
    there = [row for row, line in enumerate(header.signals) if line.file in files]
    read = read_by_wfdb(path, replace(header, signal_lines=tuple(header.signal_lines[row] for row in there)), files)
    if len(there) == len(header.signals):
        return read
    counts = np.full((len(header.signals), read.shape[1]), INVALID, read.dtype)
    counts[there] = read
    return counts


def _find(header: Path, name: str, names: Iterable[str]) -> Path | None:
    """The signal file ``name`` of a header, in any case.

    If it is the only one with its suffix, the file with the header's own name goes first, as after renaming both.
    """
    if not is_inside(name):
        return None
    suffix = Path(name).suffix
    candidates = [header.parent / name]
    if sum(Path(other).suffix == suffix for other in names) == 1:
        candidates.insert(0, header.with_suffix(suffix))
    for file in candidates:
        if os.path.isfile(file):  # unlike Path.is_file, it accepts a name of any length
            return file
    return next((found for file in candidates for found in _in_any_case(file)), None)


def _in_any_case(file: Path) -> Iterator[Path]:
    with suppress(OSError), os.scandir(file.parent) as entries:
        yield from sorted(Path(one) for one in entries if _folded(one.name) == _folded(file.name) and one.is_file())


def _folded(name: str) -> str:
    """Equal for names that differ in capitals, or in how letters with accents are composed, as on a Mac."""
    return unicodedata.normalize("NFC", name).casefold()


def read_mat(path: str | os.PathLike) -> np.ndarray:
    """The matrix ``val`` (leads, samples) of a MATLAB file; RecordError if it is missing or damaged."""
    content = read_bytes(path, LARGEST_SIGNAL)
    try:
        return read_matrix(content, LARGEST_SIGNAL)
    except ValueError as error:
        raise RecordError(f"{path}: {error}") from error
