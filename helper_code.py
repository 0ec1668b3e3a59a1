"""The official 2021 helper's names, on ecg.data.record. The organisers put their own file in the place of this one."""

import math
from pathlib import Path

import numpy as np

from ecg.data.header import parse_header
from ecg.data.listing import find_headers
from ecg.data.record import LEADS, read_mat
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
    """``leads`` in the standard order; those it does not know come last, as they stood."""
    return tuple(sorted(leads, key=lambda lead: LEADS.index(lead) if lead in LEADS else len(LEADS)))


def find_challenge_files(data_directory) -> tuple[list[str], list[str]]:
    """The header files that have a recording file beside them, and those recording files."""
    headers = [path for path in find_headers(data_directory, True) if path.with_suffix(".mat").is_file()]
    return [str(path) for path in headers], [str(path.with_suffix(".mat")) for path in headers]


def load_header(header_file) -> str:
    """The header's whole text."""
    return read_text(header_file)


def load_recording(recording_file, header=None, leads=None, key="val") -> np.ndarray:
    """The recording (leads, samples) in ADC counts; with ``header`` and ``leads``, these leads in this order."""
    if key != "val":
        raise ValueError("a Challenge recording's matrix is called 'val'")
    recording = read_mat(recording_file)
    return choose_leads(recording, header, leads) if header and leads else recording


def choose_leads(recording, header, leads) -> np.ndarray:
    """The rows of ``leads``, zeros for those that the header does not name."""
    available = get_leads(header)
    chosen = np.zeros((len(leads), recording.shape[1]), recording.dtype)
    for row, lead in enumerate(leads):
        if lead in available:
            chosen[row] = recording[available.index(lead)]
    return chosen


def get_recording_id(header) -> str:
    """The name on the header's first line."""
    return parse_header(header).name


def get_leads(header) -> tuple[str, ...]:
    return parse_header(header).leads


def get_age(header) -> float:
    """In years; NaN where it is unknown."""
    age = parse_header(header).age
    return math.nan if age is None else age


def get_sex(header) -> str | None:
    """``Female``, ``Male``, or None where it is unknown."""
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
    """ADC counts a physical unit of each lead, 0 for those that the header does not name."""
    gains = {signal.lead: signal.gain for signal in parse_header(header).signals}
    return np.array([gains.get(lead, 0.0) for lead in leads])


def get_baselines(header, leads) -> np.ndarray:
    """The ADC count of 0 mV of each lead."""
    baselines = {signal.lead: signal.baseline for signal in parse_header(header).signals}
    return np.array([baselines.get(lead, 0.0) for lead in leads])


def get_labels(header) -> list[str]:
    """The codes of the diagnoses."""
    return list(parse_header(header).diagnoses)


def save_outputs(output_file, recording_id, classes, labels, probabilities) -> None:
    """Writes the official four lines."""
    write_text(Path(output_file), format_outputs(recording_id, classes, labels, probabilities))


def load_outputs(output_file) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[float, ...]]:
    """Recording, class codes, labels and scores of an output file; nothing but the name where it is malformed."""
    text = read_text(output_file)
    classes, labels, scores = parse_outputs(text) or ([], [], [])
    return text.split("\n")[0].lstrip("#").strip(), tuple(classes), tuple(str(int(x)) for x in labels), tuple(scores)
