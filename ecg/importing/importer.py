"""Write imported recordings as a folder of the Challenge's files."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg.data.challenge_files import mat_content, new_folder
from ecg.data.formats.physical import PhysicalRecording
from ecg.data.header import parse_header
from ecg.data.lead_names import left_out
from ecg.data.record import make_record, require_length, to_challenge_format
from ecg.data.signal_check import require_ecg
from ecg.errors import RecordError, as_record_error, printable
from ecg.files import write_text, write_whole
from ecg.progress import bar, print_line

MOST_NAMED = 20  # signals that are left out


@dataclass(frozen=True)
class SourceRecording:
    """One recording to import: ``name`` of its new files, ``place`` in error messages, ``read`` to load it."""

    name: str
    place: str
    read: Callable[[], PhysicalRecording]


def refuse(error: RecordError) -> PhysicalRecording:
    """The ``read`` of a recording that is refused before it is read."""
    raise error


def to_wfdb_name(text: str) -> str:
    """Replace characters that a WFDB record name cannot have: it has letters, digits, hyphens and underscores.

    >>> to_wfdb_name("A 1.b-2")
    'A_1_b-2'
    """
    return re.sub(r"[^\w-]", "_", text, flags=re.ASCII)


def import_recordings(folder: Path, sources: Sequence[SourceRecording]) -> tuple[list[str], list[RecordError]]:
    """Write ``sources`` into ``folder``, which is created.

    Returns the names of the imported recordings, and one error for each of the others. Signals that are left out, as
    they are none of the twelve leads or repeat one, are printed with their numbers. Raises EntryError if the folder
    holds recordings or cannot be written.
    """
    new_folder(folder)
    places: dict[str, str] = {}  # of the imported recordings, by name
    failures: list[RecordError] = []
    unused: Counter[str] = Counter()
    for source in bar(sources, len(sources), "importing", "recordings"):
        try:
            if source.name in places:
                raise RecordError(f"{source.place}: {places[source.name]} has the same name; rename one of them")
            recording = source.read()
            require_length(recording.samples, recording.microvolts.shape[1], source.place)
            counts, header = to_challenge_format(source.name, recording, source.place)
            require_ecg(make_record(parse_header(header), counts, source.place), source.place)
        except Exception as error:  # whatever is wrong with one recording, the others are still imported
            failures.append(as_record_error(error, source.place))
            continue
        _write_recording(folder, source.name, counts, header)
        places[source.name] = source.place
        unknown, repeated = left_out(recording.channels or recording.leads)
        unused.update([*unknown, *(f"another {lead}" for lead in repeated)])
    if unused:
        signals = ", ".join(f"{name} ({number:,})" for name, number in unused.most_common(MOST_NAMED))
        more = " ..." if len(unused) > MOST_NAMED else ""
        print_line(printable(f"not imported, because they are none of the twelve leads: {signals}{more}"))
    return list(places), failures


def _write_recording(folder: Path, name: str, counts: np.ndarray, header: str) -> None:
    """Write the signal before the header, so that no header stands without its signal."""
    write_whole(folder / f"{name}.mat", lambda temporary: temporary.write_bytes(mat_content(counts)))
    write_text(folder / f"{name}.hea", header)
