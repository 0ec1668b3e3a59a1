"""The functions of the official 2021 helper. The organisers overwrite this file with their own."""

import math
from pathlib import Path

import numpy as np

from ecg.data.header import parse_header
from ecg.data.lead_names import LEADS
from ecg.data.listing import beside, find_recordings
from ecg.data.signal_files import read_mat
from ecg.evaluation.outputs import format_outputs, parse_outputs
from ecg.files import read_text, write_text


def is_number(x) -> bool:
    """Whether ``x`` is or represents a number."""
    try:
        float(x)
        return True
    except (ValueError, TypeError):
        return False


def is_integer(x) -> bool:
    """Whether ``x`` is or represents an integer."""
    return is_number(x) and float(x).is_integer()


def is_finite_number(x) -> bool:
    """Whether ``x`` is or represents a finite number."""
    return is_number(x) and math.isfinite(float(x))


def sort_leads(leads) -> tuple[str, ...]:
    """The leads in the standard order. Unknown leads come last, in their order in ``leads``."""
    return tuple(sorted(leads, key=lambda lead: LEADS.index(lead) if lead in LEADS else len(LEADS)))


def find_challenge_files(data_directory) -> tuple[list[str], list[str]]:
    """The header files that have a recording file next to them, and these recording files."""
    headers = [path for path in find_recordings(data_directory, True) if beside(path, ".mat").is_file()]
    return [str(path) for path in headers], [str(beside(path, ".mat")) for path in headers]


def load_header(header_file) -> str:
    """The whole text of a header."""
    return read_text(header_file)


def load_recording(recording_file, header=None, leads=None, key="val") -> np.ndarray:
    """The recording in ADC counts, (leads, samples). With ``header`` and ``leads``, only these leads, in this order."""
    if key != "val":
        raise ValueError("the matrix of a Challenge recording is named 'val'")
    recording = read_mat(recording_file)
    return choose_leads(recording, header, leads) if header and leads else recording


def choose_leads(recording, header, leads) -> np.ndarray:
    """The rows of ``leads``. A lead that the header does not name is all zeros."""
    available = get_leads(header)
    chosen = np.zeros((len(leads), recording.shape[1]), recording.dtype)
    for row, lead in enumerate(leads):
        if lead in available:
            chosen[row] = recording[available.index(lead)]
    return chosen


def get_recording_id(header) -> str:
    """The name on the first line of the header."""
    return parse_header(header).name


def get_leads(header) -> tuple[str, ...]:
    return parse_header(header).leads


def get_age(header) -> float:
    """The age in years, NaN if unknown."""
    age = parse_header(header).age
    return math.nan if age is None else age


def get_sex(header) -> str | None:
    """``Female``, ``Male``, or None if unknown."""
    sex = parse_header(header).sex
    return sex and sex.capitalize()


def get_num_leads(header) -> int:
    return len(parse_header(header).leads)


def get_frequency(header) -> float:
    """The sampling rate in Hz."""
    return parse_header(header).rate


def get_num_samples(header) -> int | None:
    return parse_header(header).samples


def get_adc_gains(header, leads) -> np.ndarray:
    """The gain of each lead in ADC counts per physical unit, 0 for a lead that the header does not name."""
    gains = {signal.lead: signal.gain for signal in parse_header(header).signals}
    return np.array([gains.get(lead, 0.0) for lead in leads])


def get_baselines(header, leads) -> np.ndarray:
    """The ADC count at 0 mV of each lead, 0 for a lead that the header does not name."""
    baselines = {signal.lead: signal.baseline for signal in parse_header(header).signals}
    return np.array([baselines.get(lead, 0.0) for lead in leads])


def get_labels(header) -> list[str]:
    """The diagnosis codes."""
    return list(parse_header(header).diagnoses)


def save_outputs(output_file, recording_id, classes, labels, probabilities) -> None:
    """Write an output file."""
    write_text(Path(output_file), format_outputs(recording_id, classes, labels, probabilities))


def load_outputs(output_file) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[float, ...]]:
    """Recording name, class codes, labels and scores of an output file; only the name if the file is malformed."""
    text = read_text(output_file)
    classes, labels, scores = parse_outputs(text) or ((), [], [])
    return text.split("\n")[0].lstrip("#").strip(), classes, tuple(str(int(label)) for label in labels), tuple(scores)
