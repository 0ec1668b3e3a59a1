"""What is odd about a folder's recordings, and what this entry does with it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import joblib
import numpy as np

from ecg import progress
from ecg.classes import Weights, abbreviation
from ecg.data.listing import find_headers
from ecg.data.record import INVALID, LEADS, Record, read_record
from ecg.errors import RecordError, as_record_error
from ecg.files import read_text
from ecg.recipe import Recipe

TASK = 64  # recordings a worker looks at before it hands over what it saw
USUAL_RATES = (100.0, 1000.0)  # Hz
USUAL_HEIGHTS = (100.0, 20_000.0)  # uV, from the lowest to the highest sample of a lead
SHORT = 5.0  # seconds
OTHER_RHYTHMS = ("AF", "AFL", "Brady", "PR", "SB", "STach")  # of which none is sinus rhythm at a normal rate

# What is odd, and what is done with it.
CONSEQUENCES = {
    "unreadable": "training leaves it out; the driver gives it an output with no positive label",
    "refused": "left out; the driver lists it",
    "length": "the header says otherwise: training leaves it out, the driver takes the signal as it is",
    "leads missing": "limb leads are computed where two are there, all others taken as zero",
    "leads unknown": "left out",
    "leads doubled": "the first counts",
    "samples missing": "bridged by a straight line",
    "flat lead": "taken as it is; a limb lead of zeros is computed where two others are there",
    "nothing but flat leads": "taken as it is, though there is nothing to see in it",
    "height": "taken as it is, 1 count as 1 uV: if that is not its unit, rescale the file",
    "limit of 16 bits": "taken as it is, cut off there",
    "rate": "resampled; what a slow recording lacks cannot be put back",
    "short": "padded with zeros",
    "long": "the driver takes the mean over several windows, training one at random",
    "header's name": "named after its file",
    "age unknown": "the network is told so",
    "sex unknown": "the network is told so",
    "no diagnosis": "training leaves it out",
    "no scored diagnosis": "training leaves it out",
    "sinus rhythm and another": "taken as they are",
    "same signal": "both are taken; in two folds, they make the cross-validation too good",
    "same signal, other diagnoses": "both are taken; one of them must be wrong",
}


@dataclass(frozen=True)
class CheckedRecording:
    """One recording: what is odd about it (a key of CONSEQUENCES and a word more), and what a summary counts."""

    path: Path
    odd: list[tuple[str, str]] = field(default_factory=list)
    source: str = ""
    rate: float = 0.0
    seconds: float = 0.0
    diagnoses: tuple[str, ...] = ()
    signal: str = ""  # a digest; empty where there is none

    @property
    def readable(self) -> bool:
        return bool(self.signal)


def check_folder(folder: Path, weights: Weights, recipe: Recipe) -> list[CheckedRecording]:
    """Every recording of ``folder`` and its subfolders, sorted by name; EntryError where there is none.

    At the end what is refused: headers of a name that another has, and folders that cannot be listed.
    """
    refused: list[RecordError] = []
    headers = find_headers(folder, refuse=refused.append)
    tasks = [headers[start : start + TASK] for start in range(0, len(headers), TASK)]
    workers = joblib.Parallel(-1 if len(tasks) > 1 else 1, return_as="generator")
    done = workers(joblib.delayed(_examine_all)(task, weights, recipe) for task in tasks)
    examined = list(progress.bar((one for task in done for one in task), len(headers), "checking", "recordings"))
    _compare(examined, weights)
    return examined + [CheckedRecording(folder, [("refused", str(error))]) for error in refused]


def _examine_all(headers: Sequence[Path], weights: Weights, recipe: Recipe) -> list[CheckedRecording]:
    return [check_recording(header, weights, recipe) for header in headers]


def check_recording(path: Path, weights: Weights, recipe: Recipe) -> CheckedRecording:
    """The recording whose header is at ``path``."""
    try:
        record = read_record(path, lenient=True)
    except Exception as error:  # whatever is wrong with this recording, the others are still to be looked at
        return CheckedRecording(path, [("unreadable", str(as_record_error(error, path)))])
    header, samples = record.header, record.counts.shape[1]
    seconds = samples / header.rate
    odd = [*_odd_header(path, record, samples), *_odd_signal(record), *_odd_labels(record, weights)]
    if seconds < SHORT:
        odd.append(("short", f"{seconds:.3g} s"))
    if seconds * recipe.rate > recipe.window:
        odd.append(("long", f"{seconds:.0f} s"))
    digest = hashlib.sha256(record.counts.tobytes()).hexdigest()
    return CheckedRecording(path, odd, header.source, header.rate, seconds, header.diagnoses, digest)


def _odd_header(path: Path, record: Record, samples: int) -> Iterator[tuple[str, str]]:
    header = record.header
    lines = (line.strip() for line in read_text(path).splitlines())
    record_line = next(line for line in lines if line and line[0] != "#")
    if not record_line.startswith((f"{header.name} ", f"{header.name}\t", f"{header.name}/")):
        yield "header's name", record_line.split()[0]
    if header.samples not in (None, samples):
        yield "length", f"{header.samples} samples in the header, {samples} in the signal"
    if not USUAL_RATES[0] <= header.rate <= USUAL_RATES[1]:
        yield "rate", f"{header.rate:g} Hz"
    leads = [lead.lower() for lead in header.leads]
    known = {lead.lower() for lead in LEADS}
    if not record.mask.all():
        yield "leads missing", ", ".join(lead for lead, there in zip(LEADS, record.mask) if not there)
    if unknown := [lead for lead in header.leads if lead.lower() not in known]:
        yield "leads unknown", ", ".join(unknown)
    if doubled := sorted({lead for lead in leads if lead in known and leads.count(lead) > 1}):
        yield "leads doubled", ", ".join(doubled)
    if header.age is None:
        yield "age unknown", ""
    if header.sex is None:
        yield "sex unknown", ""


def _odd_signal(record: Record) -> Iterator[tuple[str, str]]:
    leads, counts = np.array(LEADS)[record.mask], record.counts[record.mask].astype(np.int32)
    measured = counts != INVALID
    if not measured.all():
        yield "samples missing", f"{100 * (1 - measured.mean()):.3g} %"
    heights = np.where(measured, counts, -(2**17)).max(axis=1) - np.where(measured, counts, 2**17).min(axis=1)
    flat = heights <= 0
    if flat.all():
        yield "nothing but flat leads", ""
        return
    if flat.any():
        yield "flat lead", ", ".join(leads[flat])
    height = float(np.median(heights[~flat]))
    if not USUAL_HEIGHTS[0] <= height <= USUAL_HEIGHTS[1]:
        yield "height", f"{height:.0f} counts"
    if at_limit := int((measured & (abs(counts) >= 32767)).sum()):
        yield "limit of 16 bits", f"{at_limit} samples"


def _odd_labels(record: Record, weights: Weights) -> Iterator[tuple[str, str]]:
    diagnoses = record.header.diagnoses
    if not diagnoses:
        yield "no diagnosis", ""
    elif not weights.encode(diagnoses).any():
        yield "no scored diagnosis", ", ".join(diagnoses)
    names = [abbreviation(code) for code in diagnoses]
    if "SNR" in names and (others := [name for name in names if name in OTHER_RHYTHMS]):
        yield "sinus rhythm and another", ", ".join(others)


def _compare(examined: Sequence[CheckedRecording], weights: Weights) -> None:
    """Finds recordings with the same signal, and adds that to what is odd about all of them but the first."""
    first: dict[str, CheckedRecording] = {}
    for one in examined:
        if not one.readable:
            continue
        other = first.setdefault(one.signal, one)
        if other is not one:
            alike = (weights.encode(one.diagnoses) == weights.encode(other.diagnoses)).all()
            one.odd.append(("same signal" if alike else "same signal, other diagnoses", f"as {other.path.name}"))
