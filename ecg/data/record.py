"""Header text and signal file -> Record. Nothing else in the project parses a header or opens a signal file.

The format is the WFDB's as the Challenge uses it: ``A0001.hea``, text, beside ``A0001.mat``, MATLAB v4 with one
int16 matrix ``val`` of shape (leads, samples). Headers come from strangers: what they claim is never believed
before the signal bears it out, and nothing outside the recording's own folder is read.
"""

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ecg.data.matlab import read_matrix
from ecg.errors import EntryError, RecordError
from ecg.files import decoded, read_bytes

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
INVALID = -32768  # the WFDB's mark of a sample that was not measured
NOT_MEASURED = {  # in other formats
    **dict.fromkeys(("80", "508"), -128),
    "212": -2048,
    "310": -512,
    "311": -512,
    **dict.fromkeys(("24", "524"), -(2**23)),
    "32": -(2**31),
}
DEFAULT_RATE = 250.0  # Hz; the WFDB's default for a header that names no sampling rate
SLOWEST = 1.0  # Hz; a recording slower than that is none, and would become too long at the network's rate
LARGEST_TEXT = 10 << 20  # bytes
LARGEST_SIGNAL = 5 << 30  # bytes: 24 hours at 2000 Hz
LONGEST = 48 * 3600.0  # seconds; a longer one, or one that claims so low a rate, would fill the memory
MICROVOLTS = {"v": 1e6, "mv": 1e3, "uv": 1.0, "µv": 1.0, "μv": 1.0, "nv": 1e-3}  # of a unit, in small letters
OLDEST = 130  # years; a higher age is a slip of the pen, so it counts as unknown


@dataclass(frozen=True)
class SignalLine:
    """One lead's line of a header: its file, its scale (ADC units a physical ``unit``, at ``baseline``), its name."""

    file: str
    gain: float
    baseline: float
    unit: str
    lead: str


@dataclass(frozen=True)
class Header:
    """What a header says. ``samples`` is None where it does not say how many, ``age`` and ``sex`` where unknown."""

    name: str
    rate: float
    samples: int | None
    signal_lines: tuple[str, ...]
    age: float | None
    sex: str | None
    diagnoses: tuple[str, ...]

    @cached_property
    def signals(self) -> tuple[SignalLine, ...]:
        """Read when they are asked for: to score a folder of many recordings nobody needs them."""
        return tuple(_signal_line(line) for line in self.signal_lines)

    @property
    def leads(self) -> tuple[str, ...]:
        return tuple(signal.lead for signal in self.signals)

    @property
    def source(self) -> str:
        """The letters a record's name begins with: A, Q, I, S, HR, E ... in the Challenge's data."""
        return re.match(r"[A-Za-z]*", self.name).group()


@dataclass(frozen=True)
class Record:
    """One recording. ``counts``: int16 (12, samples) in the order of LEADS, zero where ``mask`` (12,) is False."""

    header: Header
    counts: np.ndarray
    mask: np.ndarray


def find_records(
    folder: str | os.PathLike, headers_only: bool = False, refuse: Callable[[RecordError], None] | None = None
) -> list[Path]:
    """The header files of ``folder`` and its subfolders, sorted by name; and where one is missing beside a .mat file.

    ``headers_only``: without the missing ones. ``refuse`` is called with what can be no recording of its own, and the
    search goes on: a header whose name another has already (outputs are named after the recording), a subfolder that
    cannot be listed. Without it that is an error, as is a folder that is missing or holds no recording (EntryError).
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise EntryError(f"{folder}: no such folder; give the folder that holds the recordings")

    def refused(message: str) -> None:
        if refuse is None:
            raise EntryError(message)
        refuse(RecordError(message))

    headers: dict[str, Path] = {}
    signals: dict[str, str] = {}
    for place, subfolders, files in os.walk(
        folder, onerror=lambda error: refused(f"{error.filename}: cannot be listed ({error.strerror})")
    ):
        subfolders.sort()
        inside = Path(place)
        for file in sorted(files):
            name, suffix = os.path.splitext(file)
            if file.startswith("."):
                continue
            if suffix == ".mat":
                signals.setdefault(name, place)
            elif suffix == ".hea" and name in headers:
                refused(f"{inside / file}: {headers[name]} has the same name; rename or remove one of them")
            elif suffix == ".hea":
                headers[name] = inside / file
    if not headers_only:
        headers |= {name: Path(place, f"{name}.hea") for name, place in signals.items() if name not in headers}
    if not headers:
        raise EntryError(f"{folder}: no recording in it (no .hea file); give the folder that holds the recordings")
    return [headers[name] for name in sorted(headers)]


def signal_size(header: Path) -> int:
    """Bytes of a recording's signal file; 0 where it is not to be seen: why, will be said where it is read."""
    return max((status.st_size for status in _signal_files(header)), default=0)


def changed_at(header: Path) -> int:
    """When a recording's signal file was last changed, in ns; 0 where it is not to be seen."""
    return max((status.st_mtime_ns for status in _signal_files(header)), default=0)


def _signal_files(header: Path) -> Iterator[os.stat_result]:
    for suffix in (".mat", ".dat"):
        with suppress(OSError):
            yield header.with_suffix(suffix).stat()


def read_text(path: str | os.PathLike) -> str:
    """A text file in UTF-8 (with or without a byte-order mark) or else Latin-1; RecordError where it can't be read."""
    return decoded(read_bytes(path, LARGEST_TEXT))


def read_header(path: str | os.PathLike) -> Header:
    """The header at ``path``. The recording is named after the file: the first token is wrong in some sources."""
    text, name = read_text(path), Path(path).stem
    if re.search(r"\s", name):  # which the format does not foresee: its columns are divided by blanks
        text = text.replace(name, re.sub(r"\s", "_", name))
    return parse_header(text, name, str(path))


def parse_header(text: str | Sequence[str], name: str | None = None, place: str = "header") -> Header:
    """A header from its whole text or its list of lines.

    ``name`` overrides the name on the first line; ``place`` names the header in errors. Raises RecordError where
    there is no record line. Odd values of age, sex and diagnoses are never an error: they are unknown.
    """
    if not isinstance(text, str):
        text = "\n".join(str(line).rstrip("\r\n") for line in text)
    lines = [line for line in map(str.strip, text.lstrip("\ufeff").splitlines()) if line]
    body = [line for line in lines if line[0] != "#"]
    tokens = body[0].split() if body else []
    if len(tokens) < 2:
        raise RecordError(f"{place}: no record line (name, leads, rate, samples) at the top; is it a WFDB header?")
    try:
        leads = int(tokens[1])
        rate = float(tokens[2].split("/")[0].split("(")[0]) if len(tokens) > 2 else DEFAULT_RATE
        samples = int(tokens[3]) if len(tokens) > 3 else 0
    except ValueError as error:
        raise RecordError(f"{place}: the record line {body[0]!r} is not 'name leads rate samples'") from error
    if not SLOWEST <= rate < math.inf or leads < 1 or samples < 0:
        raise RecordError(f"{place}: the record line {body[0]!r} claims an impossible number")
    signal_lines = body[1 : 1 + leads]
    for line in signal_lines:
        if " " not in line and len(line.split(maxsplit=1)) < 2:
            raise RecordError(f"{place}: the signal line {line!r} is not 'file format gain ... lead'")
    facts = _facts(lines)
    return Header(
        name=name or Path(tokens[0].split("/")[0]).stem,
        rate=rate,
        samples=samples or None,  # the WFDB's 0 means: not said
        signal_lines=tuple(signal_lines),
        age=_age(facts.get("age", "")),
        sex=_sex(facts.get("sex", "")),
        diagnoses=_codes(facts.get("dx", "")),
    )


def _signal_line(line: str) -> SignalLine:
    tokens = line.split(maxsplit=8)
    scale = re.match(r"([-+.\deE]+)(?:\(([-+.\deE]+)\))?", tokens[2] if len(tokens) > 2 else "")
    gain, baseline = (_number(scale.group(1)), _number(scale.group(2) or "")) if scale else (None, None)
    if baseline is None:  # the WFDB's rule: then the baseline is the ADC zero
        baseline = _number(tokens[4]) if len(tokens) > 4 else None
    unit = tokens[2].partition("/")[2] if len(tokens) > 2 else ""
    lead = tokens[8] if len(tokens) > 8 else tokens[-1]
    return SignalLine(tokens[0], gain or 200.0, baseline or 0.0, unit or "mV", lead)


def read_diagnoses(path: str | os.PathLike) -> tuple[str, ...]:
    """``read_header(path).diagnoses`` in half the time: to score a folder, nobody needs the rest."""
    lines = read_text(path).splitlines()
    record_line = lines[0].split() if lines else []
    if len(record_line) < 4 or record_line[0][0] == "#" or not record_line[1].isdigit():  # odd, if a header at all
        return read_header(path).diagnoses
    return _codes(_facts(lines).get("dx", ""))


def _facts(lines: Iterable[str]) -> dict[str, str]:
    """The comments' ``Key: value``, keys in small letters; a repeated key's values are joined by a comma."""
    facts: dict[str, str] = {}
    for line in lines:
        line = line.strip()
        if not line.startswith("#"):
            continue
        key, colon, value = line.lstrip("# \t").partition(":")
        key = key.strip().lower()
        if colon:
            facts[key] = f"{facts[key]},{value.strip()}" if key in facts else value.strip()
    return facts


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _age(text: str) -> float | None:
    age = _number(text.split(",")[0])
    return age if age is not None and 0 <= age <= OLDEST else None


def _sex(text: str) -> str | None:
    return {"f": "female", "female": "female", "m": "male", "male": "male"}.get(text.split(",")[0].strip().lower())


def _codes(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code.strip() for code in text.split(",") if code.strip()))


def read_record(path: str | os.PathLike) -> Record:
    """The recording whose header is at ``path``; RecordError where its signal is missing, broken or contradicts it."""
    header = read_header(path)
    recording = read_signal(path, header)
    if header.samples not in (None, recording.shape[1]):
        raise RecordError(
            f"{path}: says {header.samples} samples, its signal file holds {recording.shape[1]}; fetch it again"
        )
    return as_record(header, recording, str(path))


def read_signal(path: str | os.PathLike, header: Header) -> np.ndarray:
    """The signal beside the header at ``path``: (leads, samples) in the header's order, in ADC counts."""
    if _is_matlab(path, header):
        return read_mat(Path(path).with_suffix(".mat"))
    read = _read_by_wfdb(Path(path), header, physical=False)
    marks = np.array([NOT_MEASURED.get(form, INVALID) for form in read.fmt])
    signal = np.asarray(read.d_signal).T
    return np.where(signal == marks[:, np.newaxis], INVALID, signal)


def read_microvolts(path: str | os.PathLike, header: Header) -> np.ndarray:
    """The same signal by its header's gains and units: uV, float64, NaN where not measured, or where no voltage is."""
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
    """Whether the signal is read here; by wfdb it would be slower, and not at all where a header is odd."""
    beside = Path(path).with_suffix(".mat")
    return beside.exists() or not header.signals or header.signals[0].file.lower().endswith(".mat")


def read_mat(path: str | os.PathLike) -> np.ndarray:
    """The matrix ``val`` of a MATLAB file, (leads, samples); RecordError where it is missing, damaged or no such."""
    content = read_bytes(path, LARGEST_SIGNAL)
    try:
        return read_matrix(content, LARGEST_SIGNAL)
    except ValueError as error:
        raise RecordError(f"{path}: {error}") from error


def _read_by_wfdb(path: Path, header: Header, physical: bool) -> Any:
    """A wfdb.Record, in counts or ``physical``; only for files that stand beside the header."""
    for file in {signal.file for signal in header.signals}:
        if Path(file).name != file:
            raise RecordError(f"{path}: names a signal file outside its own folder; that is refused")
        if not os.path.isfile(path.parent / file):  # which, unlike Path's, calls no name too long
            raise RecordError(f"{path}: there is no signal file {file:.100} beside it")
    if 2 * len(header.signals) * (header.samples or 0) > LARGEST_SIGNAL:
        raise RecordError(f"{path}: claims {header.samples:,} samples, more than any such file")
    import wfdb

    try:
        return wfdb.rdrecord(str(path.with_suffix("")), physical=physical)
    except Exception as error:  # wfdb raises whatever its parser stumbles over
        raise RecordError(f"{path}: its signal cannot be read ({error})") from error


def as_record(header: Header, recording: np.ndarray, place: str = "recording") -> Record:
    """``recording`` (leads, samples), of any number type, as a Record: its leads found by name, in the order of LEADS.

    A lead named twice counts once, the first time; a lead that LEADS does not know is left out. RecordError where the
    header and the recording disagree about the leads, or none of the twelve is there.
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


def find_leads(names: Iterable[str]) -> dict[str, int]:
    """Those of LEADS that are among ``names``, however they are written, and where: the first time."""
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        rows.setdefault(name.lower(), row)
    return {lead: rows[lead.lower()] for lead in LEADS if lead.lower() in rows}


def to_counts(recording: np.ndarray) -> np.ndarray:
    """Whole ADC counts as int16: rounded, limited to +-32767, INVALID where a sample is not a number."""
    if recording.dtype == np.int16:
        return recording
    recording = np.asarray(recording, np.float64)
    limited = np.clip(np.rint(recording), -32767, 32767)
    return np.where(np.isfinite(recording) & (recording != INVALID), limited, INVALID).astype(np.int16)
