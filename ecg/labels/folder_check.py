"""Check a folder of recordings: report what is unusual about each one, and how this entry handles it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import joblib

from ecg import progress
from ecg.classes import Weights, abbreviation
from ecg.data.comments import split_lines
from ecg.data.formats.opening import find_format
from ecg.data.listing import find_recordings
from ecg.data.record import Record, read_record
from ecg.data.signal_check import REFUSED, WARNED, signal_findings
from ecg.errors import RecordError, as_record_error
from ecg.files import read_text
from ecg.recipe import Recipe

BATCH = 64  # recordings that a worker checks before it returns them
USUAL_RATES = (100.0, 1000.0)  # Hz
OTHER_RHYTHMS = ("AF", "AFL", "Brady", "PR", "SB", "STach")  # none of them is sinus rhythm at a normal rate

HANDLING = {  # finding: how this entry handles it
    "unreadable": "skipped in training; the driver writes an output without a positive label",
    "refused": "skipped; the driver lists it",
    **{kind: f"no ECG: skipped in training, and listed by the driver; {advice}" for kind, advice in REFUSED.items()},
    **WARNED,
    "sampling rate": "resampled; the frequencies that a slow recording lacks cannot be restored",
    "long recording": "the driver averages several windows; training draws one at random",
    "name mismatch": "named after its file",
    "unknown age": "encoded as unknown",
    "unknown sex": "encoded as unknown",
    "no diagnosis": "skipped in training",
    "no scored diagnosis": "skipped in training",
    "diagnosis not understood": "not used; #Dx holds SNOMED CT codes, or names or abbreviations of the classes",
    "conflicting rhythms": "used as they are",
    "duplicate signal": "both are used; in different folds, they make the cross-validation too optimistic",
    "duplicate signal, different diagnoses": "both are used; at least one of them must be wrong",
}
Finding = tuple[str, str]  # a key of HANDLING, and a detail


@dataclass(frozen=True)
class CheckedRecording:
    """The findings of one recording, and its properties for a summary."""

    path: Path  # the header
    findings: list[Finding] = field(default_factory=list)
    source: str = ""
    rate: float = 0.0
    seconds: float = 0.0
    diagnoses: tuple[str, ...] = ()
    signal_digest: str = ""  # empty if the recording cannot be read

    @property
    def usable(self) -> bool:
        """Whether training and driver use the recording: it can be read, and is an ECG."""
        return bool(self.signal_digest) and not any(finding in REFUSED for finding, _ in self.findings)


def check_folder(folder: Path, weights: Weights, recipe: Recipe) -> list[CheckedRecording]:
    """Check all recordings in ``folder`` and its subfolders.

    Returns them sorted by name, followed by one entry for each refused file or subfolder: a header with the name of
    another header, or a subfolder that cannot be listed. Raises EntryError if there is no recording.
    """
    refused: list[RecordError] = []
    headers = find_recordings(folder, refuse=refused.append)
    batches = [headers[start : start + BATCH] for start in range(0, len(headers), BATCH)]
    workers = joblib.Parallel(-1 if len(batches) > 1 else 1, return_as="generator")
    checked_batches = workers(joblib.delayed(_check_batch)(batch, weights, recipe) for batch in batches)
    checked = (recording for batch in checked_batches for recording in batch)
    recordings = list(progress.bar(checked, len(headers), "checking", "recordings"))
    _add_duplicates(recordings, weights)
    return recordings + [CheckedRecording(folder, [("refused", str(error))]) for error in refused]


def _check_batch(headers: Sequence[Path], weights: Weights, recipe: Recipe) -> list[CheckedRecording]:
    return [check_recording(header, weights, recipe) for header in headers]


def check_recording(path: Path, weights: Weights, recipe: Recipe) -> CheckedRecording:
    """Check the recording whose header is at ``path``."""
    try:
        record = read_record(path, lenient=True)
    except Exception as error:  # whatever is wrong with one recording, the others are still checked
        return CheckedRecording(path, [("unreadable", str(as_record_error(error, path)))])
    header, samples = record.header, record.counts.shape[1]
    seconds = samples / header.rate
    findings = [*_header_findings(path, record), *signal_findings(record), *_label_findings(record, weights)]
    if seconds * recipe.rate > recipe.window:
        findings.append(("long recording", f"{seconds:.0f} s"))
    digest = hashlib.sha256(record.counts.tobytes()).hexdigest()
    return CheckedRecording(path, findings, header.source, header.rate, seconds, header.diagnoses, digest)


def _header_findings(path: Path, record: Record) -> Iterator[Finding]:
    header = record.header
    if not find_format(path):
        lines = (line.strip() for line in split_lines(read_text(path)))
        record_line = next(line for line in lines if line and line[0] != "#")
        if not record_line.startswith((f"{header.name} ", f"{header.name}\t", f"{header.name}/")):
            yield "name mismatch", record_line.split()[0]
    if not USUAL_RATES[0] <= header.rate <= USUAL_RATES[1]:
        yield "sampling rate", f"{header.rate:g} Hz"
    if header.age is None:
        yield "unknown age", ""
    if header.sex is None:
        yield "unknown sex", ""


def _label_findings(record: Record, weights: Weights) -> Iterator[Finding]:
    diagnoses = record.header.diagnoses
    if not diagnoses:
        yield "no diagnosis", ""
    elif not weights.is_labelled(diagnoses):
        yield "no scored diagnosis", ", ".join(diagnoses)
    if unknown := weights.not_understood(diagnoses):
        yield "diagnosis not understood", ", ".join(unknown)
    names = [abbreviation(code) for code in diagnoses]
    if "SNR" in names and (others := [name for name in names if name in OTHER_RHYTHMS]):
        yield "conflicting rhythms", f"SNR, {', '.join(others)}"


def _add_duplicates(recordings: Sequence[CheckedRecording], weights: Weights) -> None:
    """Add a finding to each recording whose signal equals that of an earlier recording."""
    first_with: dict[str, CheckedRecording] = {}
    for recording in recordings:
        if not recording.signal_digest:
            continue
        first = first_with.setdefault(recording.signal_digest, recording)
        if first is not recording:
            same_labels = (weights.encode(recording.diagnoses) == weights.encode(first.diagnoses)).all()
            finding = "duplicate signal" if same_labels else "duplicate signal, different diagnoses"
            recording.findings.append((finding, f"same as {first.path.name}"))
