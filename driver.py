#!/usr/bin/env python
"""Run the trained ensemble on a folder of recordings:  python driver.py MODEL DATA OUTPUTS

Writes OUTPUTS/NAME.csv for each recording: a WFDB header with its signal, or a file of another format, such as EDF or
DICOM. A recording that cannot be read, or is no ECG, does not stop the others: its output has no positive label, and
OUTPUTS/failures.csv lists its name and the reason. The exit code is then 1, or 2 if no recording could be run.
OUTPUTS/notes.csv lists what is unusual about the other recordings, and those that the model was trained on. It says
if sinus rhythm is far more or less frequent than where the model was trained.

--decide clinical chooses labels by a threshold for each class, and never two that exclude each other (docs/classes.md).
If no class is positive, the result is inconclusive, and notes.csv says why. --decide challenge chooses them for the
Challenge metric. --resume skips the recordings that an earlier run has finished, and retries those that failed.
Recordings are rerun if they, the model or the decision have changed.

Several processes can share the folder, with the same outputs: torchrun OPTIONS driver.py MODEL DATA OUTPUTS
"""

import math
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ecg import progress
from ecg.cli import ALL_WELL, NOTHING_DONE, SOME_FAILED, Arguments, run
from ecg.data.formats.opening import recording_name
from ecg.data.listing import find_recordings, signal_changed_at
from ecg.data.prefetch import PreparedRecording, blocks_for_process, run_batches
from ecg.decision.adaptation import remark_on_hospital
from ecg.errors import RecordError, printable
from ecg.evaluation.notes import DECISION, NOTES, TRAINED_ON, WARNING, Note, NoteFile, merge_notes, summary_lines
from ecg.evaluation.outputs import format_outputs, parse_outputs
from ecg.files import read_text, write_csv, write_errors, write_text
from ecg.model.trained_on import TRAINED_ON_IT
from ecg.recipe import CHOICES

if TYPE_CHECKING:
    from ecg.model.description import Description
    from ecg.model.folder import Model

FAILURES = "failures"  # the list of failures is failures.csv
LISTS = (FAILURES, NOTES)  # no recording may have these names
MODEL_NOTE = ".model"  # the file in OUTPUTS that holds the digest of the model that made them, and the decision
MOST_UNWRITTEN = 1000  # outputs that may wait for the disk
MOST_LOOKED_AT = 500  # outputs, for a remark on all of them

Failure = tuple[str, str]  # a recording's name and the reason


class Prediction(NamedTuple):
    """The output of a recording, and the notes on it."""

    labels: list
    scores: list
    notes: list[Note]


Result = Prediction | RecordError


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_either("model", "-m", "the folder of the trained model")
    arguments.add_either("data", "-d", "the folder of the recordings (read only)")
    arguments.add_either("outputs", "-o", "the folder for the outputs")
    arguments.add_argument("-f", "--allow_failures", action="store_true", help="accepted as in 2025; always on")
    arguments.add_argument("--decide", choices=CHOICES["decide"], help="how labels are chosen (the model's recipe)")
    arguments.add_argument("--resume", action="store_true", help="skip what an earlier run has finished in OUTPUTS")
    arguments.add_compute()
    args = arguments.parse()
    refused: list[RecordError] = []
    headers = find_recordings(args.data, refuse=refused.append)
    for path in headers:
        if (name := recording_name(path)) in LISTS:
            refused.append(RecordError(f"{path}: its output would overwrite the list of {name}; rename it"))
    headers = [path for path in headers if recording_name(path) not in LISTS]

    # Imported here because PyTorch takes seconds: --help and a wrong folder are answered before.
    from ecg.model.compute import pick_compute
    from ecg.model.folder import model_digest
    from ecg.training import distributed
    from team_code import load_model

    model = load_model(args.model, compute=pick_compute(args.device, args.float32))
    model.description.clinical_thresholds_for(args.decide)  # before anything is written
    outputs = Path(args.outputs)
    decision = args.decide or model.recipe.decide
    about_model = str(model.description.adapted or "")

    def headers_to_run() -> list[Path]:
        since = prepare_outputs(outputs, f"{model_digest(Path(args.model))} {decision}", args.resume)
        to_run = headers
        if args.resume:
            files = {path: outputs / f"{recording_name(path)}.csv" for path in headers}
            to_run = [path for path, file in files.items() if not is_done(path, file, model.classes, since)]
        merge_notes(outputs, names_of(headers) - names_of(to_run), about_model)
        return to_run

    try:
        if distributed.is_distributed():
            failures = write_outputs_distributed(model, headers_to_run, outputs, decision)
        else:
            failures = write_outputs(model, headers_to_run(), outputs, decision)
    except KeyboardInterrupt as interruption:
        interruption.args = (f"interrupted; the same command with --resume runs what is missing in {outputs}",)
        raise
    if failures is None:
        return ALL_WELL
    failures += [("", str(error)) for error in refused]
    exit_code = report_failures(outputs / f"{FAILURES}.csv", failures, len(headers) + len(refused))
    about_model = about_model or remark_on_folder(model.description, headers, outputs)
    for line in summary_lines(merge_notes(outputs, names_of(headers), about_model), outputs):
        print(line)
    return exit_code


def names_of(headers: Sequence[Path]) -> set[str]:
    """The names of recordings as notes.csv has them."""
    return {printable(recording_name(path)) for path in headers}


def prepare_outputs(outputs: Path, made_by: str, resume: bool) -> int:
    """Create the folder ``outputs`` and note in it the model and the decision; return the time of that note in ns.

    With ``resume`` and the same note, the note and its time stay.
    """
    note = outputs / MODEL_NOTE
    with write_errors(outputs):
        outputs.mkdir(parents=True, exist_ok=True)
    if not (resume and note.exists() and read_text(note) == made_by):
        write_text(note, made_by)
    return note.stat().st_mtime_ns


def is_done(header: Path, output: Path, classes: Sequence[str], since: int) -> bool:
    """Whether an earlier run has finished ``output``.

    It has if the output has a positive score, as every success has, and is newer than the recording's files and than
    ``since``, the time in ns from which outputs are of this model and decision.
    """
    try:
        newest = max(since, header.stat().st_mtime_ns, signal_changed_at(header))
        found = parse_outputs(read_text(output)) if output.stat().st_mtime_ns > newest else None
    except (RecordError, OSError):
        return False
    return found is not None and found[0] == tuple(classes) and any(found[2])


def write_outputs(model: "Model", headers: Sequence[Path], folder: Path, decision: str, rank: int = 0) -> list[Failure]:
    """Run ``model`` on all recordings and write their outputs and notes to ``folder``; return the failures."""
    failures: list[Failure] = []
    note_file = NoteFile(folder, rank)

    def write(path: Path, text: str, notes: Sequence[Note]) -> None:
        if notes:
            note_file.append(notes)
        write_text(path, text)

    unwritten: deque[Future] = deque()
    with ThreadPoolExecutor(1) as writer:  # waits for the disk while the networks compute
        for path, result in progress.bar(run_folder(model, headers, decision), len(headers), "running", "recordings"):
            if isinstance(result, RecordError):
                failures.append((recording_name(path), str(result)))
                result = Prediction([0] * len(model.classes), [0] * len(model.classes), [])
            text = format_outputs(recording_name(path), model.classes, result.labels, result.scores)
            unwritten.append(writer.submit(write, folder / f"{recording_name(path)}.csv", text, result.notes))
            while unwritten and (unwritten[0].done() or len(unwritten) > MOST_UNWRITTEN):
                unwritten.popleft().result()
        for written in unwritten:
            written.result()
    return failures


def write_outputs_distributed(
    model: "Model", headers_to_run: Callable[[], Sequence[Path]], folder: Path, decision: str
) -> list[Failure] | None:
    """Do what write_outputs does, in all processes: each runs its own blocks of the first one's ``headers_to_run``.

    The first process returns all failures, the others None.
    """
    from ecg.training import distributed

    with distributed.all_processes() as everyone:
        mine = blocks_for_process(everyone.from_first(headers_to_run), model.recipe, everyone.rank, everyone.size)
        parts = everyone.gather(write_outputs(model, mine, folder, decision, everyone.rank))
        return sorted(sum(parts, [])) if everyone.is_first else None


def run_folder(model: "Model", headers: Sequence[Path], decision: str) -> Iterator[tuple[Path, Result]]:
    """Yield the results in the order of ``headers``. A batch that fails is run again, one recording at a time."""
    return run_batches(headers, model.recipe, partial(run_prepared, model, decision=decision))


def run_prepared(
    model: "Model", recordings: Sequence[tuple[Path, PreparedRecording]], decision: str
) -> list[Prediction]:
    """The predictions for ``recordings``, which run in one batch."""
    from team_code import run_recordings

    results = run_recordings(model, [prepared.input for _, prepared in recordings], decision)
    predictions = []
    for (path, prepared), labels, scores, remark in zip(recordings, *results):
        name = printable(recording_name(path))
        notes = [Note(name, WARNING, warning) for warning in prepared.warnings]
        if remark:
            notes.append(Note(name, DECISION, remark))
        if prepared.digest in model.description.trained_on:
            notes.append(Note(name, TRAINED_ON, TRAINED_ON_IT))
        predictions.append(Prediction(labels.tolist(), scores.tolist(), notes))
    return predictions


def remark_on_folder(description: "Description", headers: Sequence[Path], outputs: Path) -> str:
    """What the probabilities of the recordings together say about their hospital, "" if nothing."""
    usual = description.mean_probabilities
    if usual is None or description.recipe.challenge_labels != "expected":  # a vote's thresholds are not fitted
        return ""
    p = []
    for path in headers[:: math.ceil(len(headers) / MOST_LOOKED_AT) or 1]:
        with suppress(RecordError, OSError):  # an output may have been moved away
            found = parse_outputs(read_text(outputs / f"{recording_name(path)}.csv"))
            if found and any(found[2]):  # a failure has no positive score
                p.append(found[2])
    return remark_on_hospital(np.array([p]), description.classes, usual) if p else ""


def report_failures(path: Path, failures: list[Failure], recordings: int) -> int:
    """List the failures on the screen and in the csv ``path``; return the exit code."""
    path.unlink(missing_ok=True)
    if failures:
        write_csv(path, [("recording", "reason"), *failures])
    print(f"{recordings - len(failures)} of {recordings} recordings done; their outputs are in {path.parent}")
    if not failures:
        return ALL_WELL
    for _, reason in failures:
        print(f"failed: {reason}", file=sys.stderr)
    return SOME_FAILED if len(failures) < recordings else NOTHING_DONE


if __name__ == "__main__":
    run(main)
