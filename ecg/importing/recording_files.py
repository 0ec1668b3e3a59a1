"""Files of recordings in their own units: WFDB (.hea with any signal that wfdb reads), and the formats of ``opening``.

The Challenge's own folders must not be imported: the gain in their headers is not always the gain of the samples. Age,
sex and diagnoses come from a WFDB header's comments, or from the file of another format.
"""

from functools import partial
from pathlib import Path

from ecg.data.formats.opening import find_format, read_physical, recording_name
from ecg.data.formats.physical import PhysicalRecording, require_leads, require_voltages
from ecg.data.header import Header
from ecg.data.listing import find_recordings
from ecg.data.signal_files import read_counts, to_microvolts
from ecg.errors import RecordError
from ecg.importing.importer import SourceRecording, refuse, to_wfdb_name


def signal_sources(folder: Path) -> list[SourceRecording]:
    """List the recordings of ``folder`` and its subfolders, sorted by name; then what ``find_recordings`` refuses.

    If WFDB names of two recordings are equal, the second ends in _2. Raises EntryError if there is no recording.
    """
    refused: list[RecordError] = []
    paths = find_recordings(folder, refuse=refused.append)
    taken = {recording_name(path) for path in paths}
    sources = []
    for path in paths:
        original = recording_name(path)
        name = whole = to_wfdb_name(original)
        number = 1
        while name != original and name in taken:
            number += 1
            name = f"{whole}_{number}"
        taken.add(name)
        reader = read_physical if find_format(path) else read_wfdb
        sources.append(SourceRecording(name, str(path), partial(reader, path)))
    return sources + [SourceRecording("", "", partial(refuse, error)) for error in refused]


def require_calibration(place: str, header: Header) -> None:
    """Raises RecordError if one of the twelve leads has no gain or no voltage for its unit."""
    lines = [header.signals[row] for row in require_leads(header.leads, place).values()]
    require_voltages(place, [line.unit for line in lines])
    if unknown := [line.lead for line in lines if not line.stated]:
        raise RecordError(f"{place}: states no gain of {unknown[0]}; write it into the header, such as 1000/mV")


def read_wfdb(path: Path) -> PhysicalRecording:
    """Read the recording whose header is at ``path``. Raises RecordError if it is damaged or its unit is no voltage."""
    header, counts = read_counts(path)
    leads = header.leads
    require_calibration(str(path), header)
    facts = header.age, header.sex, header.diagnoses, header.samples
    return PhysicalRecording(leads, header.rate, to_microvolts(counts, header), *facts)
