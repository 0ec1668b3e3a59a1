"""Header text -> Header. No other file parses a header.

The format is the WFDB's as the Challenge uses it: a record line, one line for each lead, then ``#Key: value`` comments.
Headers come from strangers: odd values of age and sex count as unknown, and never raise an error. A diagnosis that is
no code and no name of a class is kept as it is written, for own classes, or to be named as not understood.
"""

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ecg.classes import NO_DIAGNOSIS, split_diagnoses
from ecg.data.lead_names import find_leads
from ecg.errors import RecordError, printable
from ecg.files import read_text

DEFAULT_RATE = 250.0  # Hz; the WFDB's default for a header without a sampling rate
SLOWEST = 1.0  # Hz; a slower recording would become too long at the network's rate
OLDEST = 130  # years; a higher age is a typing error and counts as unknown
YEARS_PER_UNIT = dict.fromkeys(("", "y", "yr", "yrs", "year", "years"), 1.0)
YEARS_PER_UNIT |= dict.fromkeys(("m", "mo", "month", "months"), 1 / 12) | dict.fromkeys(("d", "day", "days"), 1 / 365)
PLAIN_CODES = re.compile(r"[\d,]*")
LABEL_VALUES = dict.fromkeys(("1", "t", "y", "yes", "pos", "positive"), "true")
LABEL_VALUES |= dict.fromkeys(("0", "f", "n", "no", "neg", "negative"), "false")
PHYSIONET_COMMENT = re.compile(r"<(\w+)>:\s*([^<]*)")  # "#<age>: 60 <sex>: F <diagnoses> ...", as MIT's databases do


@dataclass(frozen=True)
class SignalLine:
    """One lead's line of a header.

    ``file`` is its signal file, ``gain`` and ``baseline`` are in ADC counts (per physical ``unit``, and at 0).
    """

    file: str
    gain: float
    baseline: float
    unit: str
    lead: str


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


def format_not_understood(numbers: Mapping[str, int]) -> str:
    """One line that names the diagnoses that are not understood, the most frequent first, with their ``numbers``."""
    most = sorted(numbers.items(), key=lambda item: -item[1])[:10]
    names = ", ".join(f"{name} ({number:,})" for name, number in most)
    return printable(f"not understood in #Dx, and so not used: {names}{' ...' if len(numbers) > 10 else ''}")


def read_header(path: str | os.PathLike) -> Header:
    """Read the header at ``path``.

    The recording is named after the file, because the first token is wrong in some sources. Raises RecordError if the
    file cannot be read or has no record line.
    """
    text, name = read_text(path), Path(path).stem
    if re.search(r"\s", name):  # the format separates its columns by blanks
        text = text.replace(name, re.sub(r"\s", "_", name))
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
    _, in_segments, number = tokens[0].partition("/")
    segments = tuple(_parse_segment(line, place) for line in body[1 : 1 + int(number)]) if number.isdigit() else ()
    signal_lines = [] if in_segments and segments else body[1 : 1 + leads]
    for line in signal_lines:
        if " " not in line and len(line.split(maxsplit=1)) < 2:
            raise RecordError(f"{place}: the signal line {line!r} is not 'file format gain ... lead'")
    comments = _parse_comments(lines)
    header = Header(
        name=name or Path(tokens[0].split("/")[0]).stem,
        rate=rate,
        samples=samples or None,  # 0 means "not stated" in the WFDB
        signal_lines=tuple(signal_lines),
        age=_parse_age(comments.get("age", "")),
        sex=_parse_sex(comments.get("sex", "")),
        diagnoses=_parse_diagnoses(comments),
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
    lines = read_text(path).splitlines()
    record_line = lines[0].split() if lines else []
    if len(record_line) < 4 or record_line[0][0] == "#" or not record_line[1].isdigit():  # unusual, or not a header
        return read_header(path).diagnoses
    return _parse_diagnoses(_parse_comments(lines))


def _parse_segment(line: str, place: str) -> tuple[str, int]:
    name, _, samples = line.partition(" ")
    if not samples.strip().isdigit():
        raise RecordError(f"{place}: the segment line {line!r} is not 'name samples'")
    return name, int(samples)


def _parse_signal_line(line: str) -> SignalLine:
    tokens = line.split(maxsplit=8)
    scale = re.match(r"([-+.\deE]+)(?:\(([-+.\deE]+)\))?", tokens[2] if len(tokens) > 2 else "")
    gain, baseline = (_parse_number(scale.group(1)), _parse_number(scale.group(2) or "")) if scale else (None, None)
    if baseline is None:  # the WFDB's rule: the baseline is then the ADC zero
        baseline = _parse_number(tokens[4]) if len(tokens) > 4 else None
    unit = tokens[2].partition("/")[2] if len(tokens) > 2 else ""
    lead = tokens[8] if len(tokens) > 8 else tokens[-1]
    return SignalLine(tokens[0], gain or 200.0, baseline or 0.0, unit or "mV", lead)


def _parse_comments(lines: Iterable[str]) -> dict[str, str]:
    """The ``#Key: value`` comments, keys in small letters. The values of a repeated key are joined by a comma."""
    comments: dict[str, str] = {}
    for line in lines:
        line = line.strip()
        if not line.startswith("#"):
            continue
        for key, value in PHYSIONET_COMMENT.findall(line):
            comments.setdefault(key.lower(), value.strip())
        key, colon, value = line.lstrip("# \t").partition(":")
        key = key.strip().lower()
        if colon:
            comments[key] = f"{comments[key]},{value.strip()}" if key in comments else value.strip()
    return comments


def _parse_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _parse_age(text: str) -> float | None:
    """ "74", "74.0", "56 years", "8 months"; None for other text and impossible ages."""
    match = re.match(r"\s*([\d.]+)\s*([A-Za-z]*)", text)
    number, unit = (_parse_number(match.group(1)), match.group(2).lower()) if match else (None, "")
    if number is None or unit not in YEARS_PER_UNIT:
        return None
    age = number * YEARS_PER_UNIT[unit]
    return age if 0 <= age <= OLDEST else None


def _parse_sex(text: str) -> str | None:
    return {"f": "female", "female": "female", "m": "male", "male": "male"}.get(text.split(",")[0].strip().lower())


def _parse_diagnoses(comments: Mapping[str, str]) -> tuple[str, ...]:
    """The codes and names in ``#Dx``, and comments such as ``# Chagas label: True`` (2025) in small letters."""
    text = comments.get("dx", "")
    if PLAIN_CODES.fullmatch(text):  # the usual form, parsed fast
        codes = list(dict.fromkeys(code for code in text.split(",") if code))
    else:
        codes = split_diagnoses(text)
    for key, value in comments.items():
        if key.endswith(" label") and value.casefold() not in NO_DIAGNOSIS:
            codes.append(f"{key}: {LABEL_VALUES.get(value.casefold(), value.casefold())}")
    return tuple(codes)
