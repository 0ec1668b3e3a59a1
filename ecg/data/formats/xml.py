"""XML files of ECGs: HL7 aECG, GE MUSE and Philips. The root element decides.

Python's expat reads them: no package is needed. Files come from strangers, so entities are refused, nothing outside the
file is fetched, and size, depth and number of elements have limits. Names count without their namespaces' prefixes.
"""

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from ecg.data.formats.aecg import read_aecg
from ecg.data.formats.common import refuse_damage
from ecg.data.formats.muse import read_muse
from ecg.data.formats.philips import read_philips
from ecg.data.formats.physical import PhysicalRecording
from ecg.errors import RecordError
from ecg.files import decode_text, read_bytes

LARGEST_XML = 64 << 20  # bytes: an hour of 12 leads as text
DECLARED = re.compile(rb"<\?xml[^>]*?encoding=[\"']([\w.-]+)")
WRONG_ENCODING = {
    expat.errors.codes[message]
    for message in (
        expat.errors.XML_ERROR_INCORRECT_ENCODING,
        expat.errors.XML_ERROR_UNKNOWN_ENCODING,
        expat.errors.XML_ERROR_INVALID_TOKEN,
    )
}
MOST_ELEMENTS, DEEPEST, LONGEST_TAG = 200_000, 100, 1 << 20
READERS: dict[str, Callable[[str, Element], PhysicalRecording]] = {
    "AnnotatedECG": read_aecg,
    "RestingECG": read_muse,
    "restingecgdata": read_philips,
}


def read_xml(path: Path) -> PhysicalRecording:
    """Read an HL7 aECG, GE MUSE or Philips file.

    Raises RecordError if it is damaged or hostile, of another kind, or a lead's unit is no voltage.
    """
    content = read_bytes(path, LARGEST_XML)
    with refuse_damage(path, "XML"):
        root = parse_xml(path, content)
        if root.tag not in READERS:
            kinds = "HL7 aECG (AnnotatedECG), GE MUSE (RestingECG) or Philips (restingecgdata)"
            raise RecordError(f"{path}: its root is {root.tag:.40}; XML files of ECGs are {kinds}")
        return READERS[root.tag](str(path), root)


def parse_xml(path: Path, content: bytes) -> Element:
    """The root of ``content``. Its encoding may be unknown to expat, or declared wrongly if it is a usual one."""
    try:
        return _parse(path, content, None)
    except expat.ExpatError as error:
        if error.code not in WRONG_ENCODING:
            raise _malformed(path, error) from error
        text = decode_text(content)
    except LookupError:  # an encoding that nobody knows
        text = decode_text(content)
    except ValueError:  # an encoding of several bytes, which expat leaves to others
        declared = DECLARED.match(content)
        text = content.decode(declared.group(1).decode() if declared else "utf-8", "replace")
    try:
        return _parse(path, text.encode("utf-8"), "utf-8")
    except expat.ExpatError as error:
        raise _malformed(path, error) from error


def _malformed(path: Path, error: expat.ExpatError) -> RecordError:
    return RecordError(f"{path}: is not well-formed XML ({error}); export or copy it again")


def _parse(path: Path, content: bytes, encoding: str | None) -> Element:
    builder, depth, elements = TreeBuilder(), 0, 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > DEEPEST or elements > MOST_ELEMENTS:
            raise RecordError(f"{path}: has more elements than any such file; that is refused")
        builder.start(tag.rpartition(":")[2], attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag.rpartition(":")[2])

    def refuse_entity(*_: object) -> None:
        raise RecordError(f"{path}: defines entities; that is refused")

    parser = expat.ParserCreate(encoding)
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse_entity
    for position in range(0, len(content), LONGEST_TAG):
        if position - parser.CurrentByteIndex > 2 * LONGEST_TAG:
            raise RecordError(f"{path}: has a longer tag than any such file; that is refused")
        parser.Parse(content[position : position + LONGEST_TAG])
    parser.Parse(b"", True)
    return builder.close()
