"""EDF, EDF+ and BDF files, with their own gains and units.

A header of fixed columns is followed by data records, each with the samples of every signal in turn: 16 bits in EDF, 24
in BDF. It is read here, because pyedflib refuses a file for one odd field, such as its start date, or if it has gaps
(EDF+D), and wfdb's reader is off by one digital unit. The values are those of pyedflib, bit for bit.

Age and sex come from the patient and the recording date of an EDF+ file.
"""

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecg.data.comments import parse_sex
from ecg.data.formats.physical import LONGEST, PhysicalRecording, microvolts_per, require_leads, require_voltages
from ecg.data.header import SLOWEST
from ecg.data.wfdb_files import LARGEST_SIGNAL
from ecg.errors import RecordError
from ecg.files import decode_text, read_bytes

BLOCK = 256  # bytes of the header before the signals' columns, and of the columns of each signal
COLUMNS = (16, 80, 8, 8, 8, 8, 8, 80, 8)  # label, transducer, unit, physical and digital range, filter, samples
FASTEST = 100_000.0  # Hz; no ECG has a higher rate
TIME_STAMP = re.compile(rb"\s*([+-]\d{1,12}(?:[.,]\d{0,12})?)\x14")  # at the beginning of an EDF+ data record
ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
NO_CHANNELS = (*ANNOTATIONS, "Status")  # BioSemi's triggers
ANONYMOUS = date(1985, 1, 1)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class _Signal(NamedTuple):
    label: str
    unit: str
    physical: tuple[float, float]  # lowest and highest value
    digital: tuple[float, float]
    samples: int  # in each data record
    place: slice  # of its bytes in a data record


def read_edf(path: Path) -> PhysicalRecording:
    """Read the leads of an EDF, EDF+ or BDF file. What was recorded with gaps (EDF+D) has NaN in them.

    A file that ends too early is read to its last whole data record. Raises RecordError if the header is damaged, a
    lead's unit is no voltage, or the leads have different sampling rates. Other signals than leads may be damaged.
    """
    content = read_bytes(path, LARGEST_SIGNAL)
    width = {b"0": 2, b"\xffBIOSEMI": 3}.get(content[:8].strip(b"\0 "))  # bytes of a sample
    count = _whole(_text(content[252:BLOCK]))
    if width is None or not count or len(content) < BLOCK * (count + 1):
        raise RecordError(f"{path}: is no EDF file, or its header is damaged; export it again")
    signals = list(_signals(content[BLOCK : BLOCK * (count + 1)], count, width, path))
    rows = require_leads([signal.label for signal in signals], str(path))
    leads = [signals[row] for row in rows.values()]
    require_voltages(str(path), [lead.unit for lead in leads])
    claimed, duration = _whole(_text(content[236:244])), _number(_text(content[244:252]))
    rates = sorted({lead.samples / duration for lead in leads}) if duration > 0 else [math.nan]
    if len(rates) > 1:
        raise RecordError(
            f"{path}: its leads have different rates ({', '.join(f'{rate:g}' for rate in rates)} Hz); give them one"
        )
    if not SLOWEST <= rates[0] <= FASTEST:
        raise RecordError(f"{path}: a sampling rate of {rates[0]:g} Hz is impossible; correct the header")
    rate, samples = rates[0], leads[0].samples
    size = signals[-1].place.stop
    held = (len(content) - BLOCK * (count + 1)) // size
    number = min(claimed or held, held)  # a recorder that was cut off leaves 0 or -1
    if not number:
        raise RecordError(f"{path}: holds no whole data record; fetch or export it again")
    records = np.frombuffer(content, np.uint8, number * size, BLOCK * (count + 1)).reshape(number, size)
    about = _text(content[192:236])
    places: slice | np.ndarray = slice(None)
    length = number * samples
    if (starts := _starts_with_gaps(about[:5].upper(), records, signals, rate, samples, path)) is not None:
        places = (starts[:, np.newaxis] + np.arange(samples)).ravel()
        length = int(starts[-1]) + samples
    if length > LONGEST * rate or 2 * length * len(leads) > LARGEST_SIGNAL:
        raise RecordError(f"{path}: lasts {length / rate / 3600:.0f} hours; cut it into pieces")
    microvolts = np.full((len(leads), length), np.nan)
    for row, lead in enumerate(leads):
        microvolts[row, places] = _microvolts(_digits(records, lead, width), lead, path).ravel()
    age, sex = _patient(content) if about[:4].upper() in ("EDF+", "BDF+") else (None, None)
    said = length + (max(claimed or 0, number) - number) * samples  # more than there are if the file is cut short
    channels = [signal.label for signal in signals if signal.label not in NO_CHANNELS]
    return PhysicalRecording(list(rows), rate, microvolts, age, sex, (), said, channels)


def _signals(columns: bytes, count: int, width: int, path: Path) -> Iterator[_Signal]:
    """The signals that the header's ``columns`` describe. Raises RecordError if the layout of the data is unknown."""
    values, start = [], 0
    for size in COLUMNS:
        values.append([_text(columns[start + i * size : start + (i + 1) * size]) for i in range(count)])
        start += size * count
    offset = 0
    for label, _, unit, low, high, lowest, highest, _, number in zip(*values):
        samples = _whole(number)
        if samples is None:
            raise RecordError(f"{path}: the signal {label} has {number!r} samples in a data record; export it again")
        place = slice(offset, offset + samples * width)
        offset = place.stop
        ranges = (_number(low), _number(high)), (_number(lowest), _number(highest))
        yield _Signal(label, unit, *ranges, samples, place)


def _starts_with_gaps(
    kind: str, records: np.ndarray, signals: list[_Signal], rate: float, samples: int, path: Path
) -> np.ndarray | None:
    """``_starts`` of a file of this ``kind`` with gaps; None if it has none.

    Some writers call a file with gaps continuous (EDF+C). There a gap of less than half a data record is a clock that
    runs differently, and other stamps are not believed.
    """
    if kind in ("EDF+D", "BDF+D"):
        return _starts(records, signals, rate, samples, path)
    if kind in ("EDF+C", "BDF+C"):
        with suppress(RecordError):
            starts = _starts(records, signals, rate, samples, path)
            gaps = np.diff(starts) >= 1.5 * samples
            if gaps.any() and not gaps.all():  # else the stamps have another unit
                return starts
    return None


def _starts(records: np.ndarray, signals: list[_Signal], rate: float, samples: int, path: Path) -> np.ndarray:
    """The first sample of each data record, by the time stamps at the beginning of the EDF+ annotations."""
    stamps = next((signal.place for signal in signals if signal.label in ANNOTATIONS), None)
    starts: list[int] = []
    end, first = 0, 0.0
    for number, record in enumerate(records, 1):
        stamp = TIME_STAMP.match(record[stamps].tobytes()) if stamps else None
        if stamp is None:
            raise RecordError(f"{path}: data record {number} has no time stamp; export it as a continuous EDF file")
        time = float(stamp.group(1).replace(b",", b"."))
        first = first if starts else time
        start = round((time - first) * rate)
        if abs(start - end) <= 1:  # the stamps are rounded
            start = end
        if start < end:
            raise RecordError(f"{path}: data record {number} begins before the one before it ends; export it again")
        if start > LONGEST * rate:
            raise RecordError(f"{path}: has gaps, and lasts {start / rate / 3600:,.0f} hours; cut it into pieces")
        starts.append(start)
        end = start + samples
    return np.array(starts)


def _digits(records: np.ndarray, signal: _Signal, width: int) -> np.ndarray:
    """The digital values of ``signal``, int32 (records, samples)."""
    padded = np.zeros((len(records), signal.samples, 4), np.uint8)
    padded[:, :, 4 - width :] = records[:, signal.place].reshape(len(records), signal.samples, width)
    return padded.view("<i4")[:, :, 0] >> 8 * (4 - width)


def _microvolts(digits: np.ndarray, lead: _Signal, path: Path) -> np.ndarray:
    (low, high), (lowest, highest) = lead.physical, lead.digital
    step = (high - low) / (highest - lowest) if highest > lowest else 0.0
    offset = high / step - highest if step else math.nan
    if not math.isfinite(step) or not math.isfinite(offset):
        ranges = f"{low:g} to {high:g} {lead.unit}, digital {lowest:g} to {highest:g}"
        raise RecordError(
            f"{path}: the lead {lead.label} has no scale ({ranges}); correct the header or export it again"
        )
    with np.errstate(over="ignore"):
        return step * (digits + offset) * microvolts_per(lead.unit)


def _patient(content: bytes) -> tuple[float | None, str | None]:
    """Age in whole years, and sex. Anonymised files replace the sex or a date by X, or the start by 1 January 1985."""
    _, sex, born, *_ = [*_text(content[8:88]).split(), "", "", ""]
    startdate, recorded, *_ = [*_text(content[88:168]).split(), "", ""]
    birth = _date(born)
    is_named = startdate.lower() == "startdate" and recorded
    today = _date(recorded) if is_named else _date(_text(content[168:176]))
    if today == ANONYMOUS:
        today = None
    age = None
    if birth and today:
        years = today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
        age = float(years) if years >= 0 else None
    return age, parse_sex(sex)


def _date(text: str) -> date | None:
    """02-MAY-1951, or 02.05.51, which is between 1985 and 2084."""
    parts = re.fullmatch(r"(\d\d?)[-.:/](\d\d?|[A-Za-z]{3})[-.:/](\d\d|\d{4})", text)
    if parts is None:
        return None
    day, month, year = parts.groups()
    try:
        number = int(month) if month.isdigit() else MONTHS.index(month.lower()) + 1
        return date(int(year) if len(year) == 4 else (int(year) - 85) % 100 + 1985, number, int(day))
    except ValueError:
        return None


def _text(field: bytes) -> str:
    return decode_text(field.replace(b"\0", b" ")).strip()


def _number(text: str) -> float:
    """NaN if ``text`` is no finite number. Some programs write a comma for the decimal point."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _whole(text: str) -> int | None:
    """None if ``text`` is no whole number from 0."""
    number = _number(text)
    return int(number) if number >= 0 and number.is_integer() else None
