"""What was read from a source, as a folder of the Challenge's files."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg.data.challenge_files import header_content, mat_content, new_folder, patient_facts
from ecg.data.header import parse_header
from ecg.data.record import find_leads, make_record, to_counts
from ecg.errors import RecordError, as_record_error
from ecg.files import write_text, write_whole
from ecg.progress import bar


@dataclass(frozen=True)
class Recording:
    """``microvolts``: (leads, samples), NaN where not measured; ``rate`` in Hz; age and sex None where unknown."""

    leads: Sequence[str]
    rate: float
    microvolts: np.ndarray
    age: float | None
    sex: str | None
    diagnoses: Sequence[str]


@dataclass(frozen=True)
class Source:
    """A recording to import: ``name``, which its files get; ``place``, which an error names; how to ``read`` it."""

    name: str
    place: str
    read: Callable[[], Recording]


def plain_name(text: str) -> str:
    """``text`` as the WFDB lets a recording be called: letters, digits, hyphens and underscores."""
    return re.sub(r"[^\w-]", "_", text, flags=re.ASCII)


def some_leads(names: Sequence[str], place: str) -> dict[str, int]:
    """``find_leads``; RecordError where none of the twelve is there."""
    rows = find_leads(names)
    if not rows:
        raise RecordError(f"{place}: none of the twelve leads is in it (it has {', '.join(names) or 'none'})")
    return rows


def import_all(folder: Path, sources: Sequence[Source]) -> tuple[list[str], list[RecordError]]:
    """Writes ``sources`` into ``folder``, which is made; the names of those that are there, and why others are not.

    EntryError where the folder holds recordings or can't be written.
    """
    new_folder(folder)
    names: dict[str, str] = {}
    failures: list[RecordError] = []
    for source in bar(sources, len(sources), "importing", "recordings"):
        try:
            if source.name in names:
                raise RecordError(f"{source.place}: {names[source.name]} has the same name; rename one of them")
            counts, header = challenge_form(source.name, source.read(), source.place)
        except ModuleNotFoundError:  # which says what to install
            raise
        except Exception as error:  # whatever is wrong with this recording, the others are still to be read
            failures.append(as_record_error(error, source.place))
            continue
        content = mat_content(counts)
        write_whole(folder / f"{source.name}.mat", lambda temporary, content=content: temporary.write_bytes(content))
        write_text(folder / f"{source.name}.hea", header)
        names[source.name] = source.place
    return list(names), failures


def challenge_form(name: str, recording: Recording, place: str) -> tuple[np.ndarray, str]:
    """Counts, int16 (leads, samples), of those leads that are among the twelve, and their header.

    RecordError where that would be no recording.
    """
    rows = some_leads(recording.leads, place)
    counts = to_counts(np.asarray(recording.microvolts, np.float64)[list(rows.values())])
    if not counts.size:
        raise RecordError(f"{place}: has no samples")
    facts = patient_facts(recording.age, recording.sex, recording.diagnoses)
    header = header_content(name, list(rows), recording.rate, counts, facts)
    make_record(parse_header(header), counts, place)
    return counts, header
