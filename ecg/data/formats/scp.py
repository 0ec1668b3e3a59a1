"""SCP-ECG (EN 1064, ISO 11073-91064): the rhythm, uncompressed, by differences, or by Huffman codes.

Read are the sections 0 (pointers), 1 (age, birth date, sex), 2 (Huffman tables: the standard's, or the file's own),
3 (leads) and 6 (rhythm). Bimodal compression and the subtraction of a reference beat are refused. III, aVR, aVL and aVF
are computed from I and II where they are missing: the standard stores eight leads.
"""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecg.data.formats.common import refuse_damage, require_timing, to_years, with_limb_leads, years_between
from ecg.data.formats.physical import PhysicalRecording, require_leads
from ecg.data.lead_names import NUMBERS
from ecg.errors import RecordError
from ecg.files import LARGEST_TEXT, read_bytes

HEADER = 16  # bytes of each section
DEFAULT_TABLE = 19999
AGE, BORN, SEX, ACQUIRED, LAST_TAG = 4, 5, 8, 25, 255
AGE_UNITS = {1: "y", 2: "m", 3: "w", 4: "d", 5: "h"}
SEXES = {1: "male", 2: "female"}

Table = dict[tuple[int, int], tuple[int, bool, int]]  # (bits, prefix): further bits, whether a value, value or table


def read_scp(path: Path) -> PhysicalRecording:
    """Read an SCP-ECG file. Raises RecordError if it is damaged, or compressed beyond Huffman codes."""
    content = read_bytes(path, LARGEST_TEXT)
    if len(content) < 6 + HEADER or content[8:10] != b"\0\0" or struct.unpack_from("<I", content, 2)[0] < 6 + HEADER:
        raise RecordError(f"{path}: is not an SCP-ECG file; export it again")
    with refuse_damage(path, "SCP-ECG"):
        return _to_recording(str(path), content)


def _to_recording(place: str, content: bytes) -> PhysicalRecording:
    sections = _sections(place, content)
    if 3 not in sections or 6 not in sections:
        raise RecordError(f"{place}: holds no rhythm (section 6); export the ECG with its waveforms")
    count, flags = sections[3][:2]
    places = [struct.unpack_from("<IIB", sections[3], 2 + 9 * lead) for lead in range(count)]  # first, last, number
    steps, interval, differences, bimodal = struct.unpack_from("<HHBB", sections[6])  # nV, us
    if flags & 1 or bimodal:
        kind = "a subtracted reference beat" if flags & 1 else "bimodal compression"
        raise RecordError(f"{place}: has {kind}; export it without compression, or as DICOM or aECG")
    if not steps or not interval or differences > 2:
        raise RecordError(
            f"{place}: has no amplitude step or sampling interval, or unknown differences; export it again"
        )
    names = [NUMBERS.get(number, f"number {number}") for *_, number in places]
    rows = require_leads(names, place)
    tables = _tables(sections[2]) if 2 in sections else None
    data = _lead_data(place, sections[6], count)
    begin = min(places[row][0] for row in rows.values())
    samples = max(places[row][1] for row in rows.values()) - begin + 1
    rate = round(1e6 / interval, 9)
    require_timing(place, rate, samples)
    if samples > 8 * len(sections[6]):  # a sample takes a bit at least
        raise RecordError(f"{place}: says {samples} samples, more than it can hold; copy it again")
    leads = {}
    for lead, row in rows.items():
        first, last, _ = places[row]
        values = _values(place, data[row], last - first + 1, tables)
        signal = np.full(samples, np.nan)
        signal[first - begin : last - begin + 1] = _integrate(values, differences) * (steps / 1000)
        leads[lead] = signal
    leads = with_limb_leads(leads)
    facts = _facts(sections.get(1, b""))
    return PhysicalRecording(
        leads=list(leads),
        rate=rate,
        microvolts=np.array(list(leads.values())),
        age=_age(facts),
        sex=SEXES.get(facts.get(SEX, b"\0")[0]),
        diagnoses=(),
        channels=names,
    )


def _sections(place: str, content: bytes) -> dict[int, bytes]:
    """The content of each section behind its header, by its number. Checksums are not verified."""
    sections = {}
    length = struct.unpack_from("<I", content, 10)[0]
    for offset in range(6 + HEADER, min(6 + length, len(content)) - 9, 10):
        number, size, index = struct.unpack_from("<HII", content, offset)
        if not number or not size or number > 11:  # pointers without a section, and makers' own sections
            continue
        start = index - 1  # the first byte is 1
        if start < 0 or size < HEADER or start + size > len(content):
            raise RecordError(f"{place}: ends before its section {number}; copy it again")
        if struct.unpack_from("<H", content, start + 2)[0] != number:
            raise RecordError(f"{place}: its section {number} is not where it says; copy it again")
        sections[number] = content[start + HEADER : start + size]
    return sections


def _lead_data(place: str, section: bytes, count: int) -> list[bytes]:
    sizes, offset, parts = struct.unpack_from(f"<{count}H", section, 6), 6 + 2 * count, []
    if offset + sum(sizes) > len(section):
        raise RecordError(f"{place}: its leads are longer than its rhythm section; copy it again")
    for size in sizes:
        parts.append(section[offset : offset + size])
        offset += size
    return parts


def _tables(section: bytes) -> list[Table]:
    """The Huffman tables. A code: bits of its prefix, bits in all, whether a value, value or table, reversed prefix."""
    number, *_ = struct.unpack_from("<H", section)
    if number == DEFAULT_TABLE:
        return [default_table()]
    tables, offset = [], 2
    for _ in range(number):
        codes, *_ = struct.unpack_from("<H", section, offset)
        offset += 2
        table: Table = {}
        for _ in range(codes):
            bits, total, is_value, value, prefix = struct.unpack_from("<BBBhI", section, offset)
            offset += 9
            if not 1 <= bits <= total <= 64:
                raise ValueError("an impossible Huffman code")
            table[bits, int(f"{prefix & ((1 << bits) - 1):0{bits}b}"[::-1], 2)] = (total - bits, bool(is_value), value)
        tables.append(table)
    return tables


def default_table() -> Table:
    """The standard's table: 0 is 0; n ones and 00 are n, n ones and 01 are -n; 8 or 16 further bits hold the others."""
    table: Table = {(1, 0): (0, True, 0)}
    for value in range(1, 9):
        ones = ((1 << value) - 1) << 2
        table[value + 2, ones] = (0, True, value)
        table[value + 2, ones + 1] = (0, True, -value)
    table[10, 0b1111111110] = (8, True, 0)
    table[10, 0b1111111111] = (16, True, 0)
    return table


def _values(place: str, data: bytes, count: int, tables: Sequence[Table] | None) -> np.ndarray:
    """``count`` values of one lead, 16-bit or Huffman codes."""
    available = 8 * len(data) if tables else len(data) // 2
    if not 1 <= count <= available:
        raise RecordError(f"{place}: says {count} samples of a lead, it holds fewer; copy it again")
    if not tables:
        return np.frombuffer(data, "<i2", count).astype(np.int64)
    return np.array(_decode(data, count, tables), np.int64)


def _decode(data: bytes, count: int, tables: Sequence[Table]) -> list[int]:
    bits = "".join(f"{byte:08b}" for byte in data)
    values: list[int] = []
    table, position, begin = tables[0], 0, 0
    while len(values) < count:
        position += 1
        if position > len(bits) or position - begin > 32:
            raise ValueError("damaged Huffman codes")
        found = table.get((position - begin, int(bits[begin:position], 2)))
        if found is None:
            continue
        further, is_value, value = found
        if is_value:
            if further:
                part = bits[position : position + further]
                value += int(part, 2) - (int(part[0]) << further)  # two's complement
                position += further
            values.append(value)
        elif 1 <= value <= len(tables):
            table = tables[value - 1]
        else:
            raise ValueError("an unknown Huffman table")
        begin = position
    if position > len(bits):
        raise ValueError("damaged Huffman codes")
    return values


def _integrate(values: np.ndarray, differences: int) -> np.ndarray:
    """The samples from their first or second differences: the first one or two are samples."""
    if differences == 1:
        return np.cumsum(values)
    if differences == 2 and len(values) > 2:
        slopes = np.cumsum(np.concatenate([values[1:2] - values[:1], values[2:]]))
        return values[0] + np.concatenate([[0], np.cumsum(slopes)])
    return values


def _facts(section: bytes) -> dict[int, bytes]:
    """Section 1's values by their tags; the first one if it is repeated. Names and identifiers are not read."""
    facts: dict[int, bytes] = {}
    offset = 0
    while offset + 3 <= len(section) and section[offset] != LAST_TAG:
        tag, size = struct.unpack_from("<BH", section, offset)
        value = section[offset + 3 : offset + 3 + size]
        if tag in (AGE, BORN, SEX, ACQUIRED) and value:
            facts.setdefault(tag, value)
        offset += 3 + size
    return facts


def _age(facts: dict[int, bytes]) -> float | None:
    if len(facts.get(AGE, b"")) >= 3:
        age, unit = struct.unpack_from("<HB", facts[AGE])
        if unit in AGE_UNITS:
            return to_years(age, AGE_UNITS[unit])
    if len(facts.get(BORN, b"")) >= 4 and len(facts.get(ACQUIRED, b"")) >= 4:
        dates = (struct.unpack_from("<HBB", facts[tag]) for tag in (BORN, ACQUIRED))
        return years_between(*(f"{year:04d}{month:02d}{day:02d}" for year, month, day in dates))
    return None
