"""Header text -> Header. No other file parses a header.

The format is the WFDB's as the Challenge uses it: a record line, one line for each lead, then ``#Key: value`` comments,
which ``comments`` reads. Headers come from strangers: each claim is checked.
"""

import math
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ecg.data.comments import parse_age, parse_comments, parse_diagnoses, parse_sex, split_lines
from ecg.data.lead_names import find_leads
from ecg.errors import RecordError
from ecg.files import read_text

DEFAULT_RATE = 250.0  # Hz; the WFDB's default for a header without a sampling rate
BLANK = "\ue000"  # stands for a blank in the name of a file
RATE_ENDS = re.compile(r"[/(]|hz", re.IGNORECASE)  # "500/1000(0)", "500Hz"
DEFAULT_GAIN = 200.0  # ADC counts per mV; the WFDB's default for a signal that is not calibrated
SLOWEST = 1.0  # Hz; a slower recording would become too long at the network's rate


@dataclass(frozen=True)
class SignalLine:
    """One lead's line of a header.

    ``file`` is its signal file, ``gain`` and ``baseline`` are in ADC counts (per physical ``unit``, and at 0). A gain
    that is not ``stated`` is the WFDB's default.
    """

    file: str
    gain: float
    baseline: float
    unit: str
    lead: str
    stated: bool


@dataclass(frozen=True)
class Header:
    """The facts in a header. ``samples`` is None if it is not stated, ``age`` and ``sex`` are None if unknown."""

    name: str
    rate: float  # Hz
    samples: int | None
    signal_lines: tuple[str, ...]
    age: float | None  # years
    sex: str | None  # "female" or "male"
    diagnoses: tuple[str, ...]  # SNOMED CT codes; else as it is written, and "chagas label: true" (2025)
    segments: tuple[tuple[str, int], ...] = ()  # of a recording in several parts: each part's name and samples
    frame: int = 1  # samples of each lead in a frame of the WFDB; ``rate`` and ``samples`` are the leads'

    @cached_property
    def signals(self) -> tuple[SignalLine, ...]:
        """The parsed signal lines. They are parsed on demand, because scoring a folder does not need them."""
        return tuple(_parse_signal_line(line) for line in self.signal_lines)

    @property
    def leads(self) -> tuple[str, ...]:
        return tuple(signal.lead for signal in self.signals)

    @property
    def source(self) -> str:
        """The letters at the start of the record's name: A, Q, I, S, HR, E ... in the Challenge's data."""
        letters = re.match(r"[A-Za-z]*", self.name)
        return letters.group() if letters else ""


def read_header(path: str | os.PathLike) -> Header:
    """Read the header at ``path``.

    The recording is named after the file, because the first token is wrong in some sources. Raises RecordError if the
    file cannot be read or has no record line.
    """
    text, name = read_text(path), Path(path).stem
    if re.search(r"\s", name):  # the format separates its columns by blanks
        text, written = (unicodedata.normalize("NFC", one) for one in (text, name))
        text = re.sub(rf"(?m)^\s*{re.escape(written)}", re.sub(r"\s", BLANK, written), text)
    return parse_header(text, name, str(path))


def parse_header(text: str | Sequence[str], name: str | None = None, place: str = "header") -> Header:
    """Parse a header.

    Parameters
    ----------
    text : str or sequence of str
        The header's whole text, or the list of its lines.
    name : str, optional
        The recording's name, instead of the name on the first line.
    place : str
        The header's name in error messages.

    Returns
    -------
    Header

    Raises
    ------
    RecordError
        If there is no valid record line, or a signal line has fewer than two columns.

    Examples
    --------
    >>> header = parse_header("A0001 1 500 5000\\nA0001.mat 16+24 1000/mV 16 0 0 0 0 II\\n#Age: 74\\n#Dx: 426783006\\n")
    >>> header.leads, header.age, header.diagnoses
    (('II',), 74.0, ('426783006',))
    """
    if not isinstance(text, str):
        text = "\n".join(str(line).rstrip("\r\n") for line in text)
    lines = [line for line in map(str.strip, split_lines(text.lstrip("\ufeff"))) if line]
    body = [line for line in lines if line[0] != "#"]
    tokens = [token for token in body[0].split() if token.lower() != "hz"] if body else []
    if len(tokens) < 2:
        raise RecordError(f"{place}: no record line (name, leads, rate, samples) at the top; is it a WFDB header?")
    try:
        leads = _parse_whole(tokens[1])
        rate = float(RATE_ENDS.split(tokens[2])[0]) if len(tokens) > 2 else DEFAULT_RATE
        samples = _parse_whole(tokens[3]) if len(tokens) > 3 else 0
    except ValueError as error:
        raise RecordError(f"{place}: the record line {body[0]!r} is not 'name leads rate samples'") from error
    if not SLOWEST <= rate < math.inf or leads < 1 or samples < 0:
        raise RecordError(f"{place}: the record line {body[0]!r} claims an impossible number")
    _, in_segments, number = tokens[0].partition("/")
    segments = tuple(_parse_segment(line, place) for line in body[1 : 1 + int(number)]) if number.isdigit() else ()
    signal_lines = [] if in_segments and segments else body[1 : 1 + leads]
    for line in signal_lines:
        if " " not in line and len(line.split(maxsplit=1)) < 2:
            raise RecordError(f"{place}: the signal line {line!r} is not 'file format gain ... lead'")
    comments = parse_comments(lines)
    header = Header(
        name=name or Path(tokens[0].split("/")[0]).stem,
        rate=rate,
        samples=samples or None,  # 0 means "not stated" in the WFDB
        signal_lines=tuple(signal_lines),
        age=parse_age(comments.get("age", "")),
        sex=parse_sex(comments.get("sex", "")),
        diagnoses=parse_diagnoses(comments),
        segments=segments,
    )
    return _with_frames(header, place) if any("x" in line for line in signal_lines) else header


def _with_frames(header: Header, place: str) -> Header:
    """``header`` with the rate and the number of samples of its leads, where a frame has several samples of them."""
    leads = find_leads(header.leads).values() or range(len(header.leads))
    frames = {samples_per_frame(header.signal_lines[row].split()[1]) for row in leads}
    if len(frames) > 1 or not min(frames):
        raise RecordError(f"{place}: its leads have different sampling rates, or none; give them one")
    frame = frames.pop()
    return replace(header, rate=header.rate * frame, samples=header.samples and header.samples * frame, frame=frame)


def samples_per_frame(form: str) -> int:
    """Of a signal line's format.

    >>> samples_per_frame("16x4+24"), samples_per_frame("212")
    (4, 1)
    """
    match = re.match(r"\d+x(\d{1,6})", form)
    return int(match.group(1)) if match else 1


def read_diagnoses(path: str | os.PathLike) -> tuple[str, ...]:
    """``read_header(path).diagnoses`` in half the time: scoring a folder needs nothing else."""
    lines = split_lines(read_text(path))
    record_line = lines[0].split() if lines else []
    if len(record_line) < 4 or record_line[0][0] == "#" or not record_line[1].isdigit():  # unusual, or not a header
        return read_header(path).diagnoses
    return parse_diagnoses(parse_comments(lines))


def _parse_segment(line: str, place: str) -> tuple[str, int]:
    name, *rest = line.split()
    if not rest or not re.fullmatch(r"\d+(\.0*)?", rest[0]):
        raise RecordError(f"{place}: the segment line {line!r} is not 'name samples'")
    return name.replace(BLANK, " "), int(rest[0].partition(".")[0])


def _parse_signal_line(line: str) -> SignalLine:
    tokens = line.split(maxsplit=8)
    scale = re.match(r"([-+.,\deE]+)(?:\(([-+.,\deE]+)\))?", tokens[2] if len(tokens) > 2 else "")
    gain, baseline = (_parse_number(scale.group(1)), _parse_number(scale.group(2) or "")) if scale else (None, None)
    if baseline is None:  # the WFDB's rule: the baseline is then the ADC zero
        baseline = _parse_number(tokens[4]) if len(tokens) > 4 else None
    unit = tokens[2].partition("/")[2] if len(tokens) > 2 else ""
    lead = tokens[8] if len(tokens) > 8 else tokens[-1]
    file = tokens[0].replace(BLANK, " ")
    return SignalLine(file, gain or DEFAULT_GAIN, baseline or 0.0, unit or "mV", lead, bool(gain))


def _parse_whole(text: str) -> int:
    """ "5000" or "5000.0"; raises ValueError for other text."""
    return int(re.sub(r"\.0*$", "", text))


def _parse_number(text: str) -> float | None:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
