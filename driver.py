#!/usr/bin/env python
"""Run the trained ensemble on a folder of recordings:  python driver.py MODEL DATA OUTPUTS

Writes OUTPUTS/NAME.csv for each recording. One that cannot be read costs the others nothing: its output has no
positive label, and it is listed with its reason at the end and in OUTPUTS/failures.csv; the exit code is then 1, or 2
where none could be read. --resume goes on after an interruption, and tries again what failed; where the model or a
recording is another one since, it is run again.

Several processes share the folder with: torchrun OPTIONS driver.py MODEL DATA OUTPUTS. The outputs are the same.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ecg import progress
from ecg.cli import ALL_WELL, NOTHING_DONE, SOME_FAILED, Arguments, run
from ecg.data.listing import find_headers, signal_changed_at
from ecg.data.prefetch import blocks_for_process, read_batches
from ecg.data.preprocessing import NetworkInput
from ecg.errors import RecordError, as_record_error
from ecg.evaluation.outputs import format_outputs, parse_outputs
from ecg.files import read_text, write_csv, write_errors, write_text
from ecg.model.compute import pick_compute
from ecg.model.folder import fingerprint
from ecg.training import distributed
from team_code import Model, load_model, run_recordings

FAILURES = "failures"  # the name of their list
MODEL_NOTE = ".model"  # the name of the note in OUTPUTS that says which model's they are
MOST_UNWRITTEN = 1000  # outputs that may wait for the disk


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_either("model", "-m", "the folder of the trained model")
    arguments.add_either("data", "-d", "the folder of the recordings (read only)")
    arguments.add_either("outputs", "-o", "the folder for the outputs")
    arguments.add_argument("-f", "--allow_failures", action="store_true", help="taken, as in 2025: it is always so")
    arguments.add_argument("--resume", action="store_true", help="leave out what an earlier run has done in OUTPUTS")
    arguments.add_compute()
    given = arguments.parse()
    model = load_model(given.model, compute=pick_compute(given.device, given.float32))
    refused: list[RecordError] = []
    headers = find_headers(given.data, refuse=refused.append)
    refused += [
        RecordError(f"{path}: its output would be the list of failures") for path in headers if path.stem == FAILURES
    ]
    headers = [path for path in headers if path.stem != FAILURES]
    outputs = Path(given.outputs)

    def left() -> list[Path]:
        since = begin(outputs, given.model, given.resume)
        if not given.resume:
            return headers
        return [path for path in headers if not is_done(path, outputs / f"{path.stem}.csv", model.classes, since)]

    try:
        if distributed.several():
            failures = write_outputs_over_ranks(model, left, outputs)
        else:
            failures = write_outputs(model, left(), outputs)
    except KeyboardInterrupt as interruption:
        interruption.args = (f"interrupted; the same command with --resume goes on with what is not in {outputs} yet",)
        raise
    if failures is None:
        return ALL_WELL
    failures += [("", str(error)) for error in refused]
    return report_failures(outputs / f"{FAILURES}.csv", failures, len(headers) + len(refused))


def begin(outputs: Path, model: str, resume: bool) -> int:
    """Makes the folder ``outputs``, and notes in it which model's they are; since when they are (ns).

    To ``resume`` is to go on with those of the same model; another one begins anew.
    """
    note, own = outputs / MODEL_NOTE, fingerprint(Path(model))
    with write_errors(outputs):
        outputs.mkdir(parents=True, exist_ok=True)
    if not (resume and note.exists() and read_text(note) == own):
        write_text(note, own)
    return note.stat().st_mtime_ns


def is_done(header: Path, output: Path, classes: Sequence[str], since: int) -> bool:
    """Whether ``output`` is that of an earlier run: with a positive label, as each has that did not fail.

    It is younger than the recording's files, and than the time ``since`` when outputs are of this model (ns).
    """
    try:
        younger = max(since, header.stat().st_mtime_ns, signal_changed_at(header))
        found = parse_outputs(read_text(output)) if output.stat().st_mtime_ns > younger else None
    except (RecordError, OSError):
        return False
    return found is not None and found[0] == tuple(classes) and any(found[1])


def write_outputs(model: Model, headers: Sequence[Path], folder: Path) -> list[tuple[str, str]]:
    """Runs ``model`` on all recordings and writes their outputs to ``folder``; the names and reasons of the failed."""
    failures, nothing = [], [0] * len(model.classes)
    unwritten = deque()
    with ThreadPoolExecutor(1) as writer:  # to wait for the disk while the networks compute
        for path, result in progress.bar(run_folder(model, headers), len(headers), "running", "recordings"):
            if isinstance(result, RecordError):
                failures.append((path.stem, str(result)))
                result = nothing, nothing
            text = format_outputs(path.stem, model.classes, *result)
            unwritten.append(writer.submit(write_text, folder / f"{path.stem}.csv", text))
            while unwritten and (unwritten[0].done() or len(unwritten) > MOST_UNWRITTEN):
                unwritten.popleft().result()
        for written in unwritten:
            written.result()
    return failures


def write_outputs_over_ranks(
    model: Model, left: Callable[[], Sequence[Path]], folder: Path
) -> list[tuple[str, str]] | None:
    """The same for what the first rank finds ``left``, each rank its own blocks of recordings.

    The failures of all are on the first one, None on the others.
    """
    with distributed.joined() as everyone:
        mine = blocks_for_process(everyone.from_first(left), model.recipe, everyone.rank, everyone.size)
        parts = everyone.gather(write_outputs(model, mine, folder))
        return sorted(sum(parts, [])) if everyone.leads else None


Result = tuple[list, list] | RecordError  # labels and scores, or why there are none


def run_folder(model: Model, headers: Sequence[Path]) -> Iterator[tuple[Path, Result]]:
    """The results in the order of ``headers``, batch after batch; whatever fails costs the other recordings nothing."""
    for batch in read_batches(headers, model.recipe):
        readable = [(path, view) for path, view in batch if not isinstance(view, RecordError)]
        results = None
        try:
            results = dict(zip((path for path, _ in readable), run_views(model, [view for _, view in readable])))
        except Exception as error:
            progress.print_line(f"{len(readable)} recordings failed together ({error!r}); each is run alone")
        if results is None:  # only here, when the failed batch's memory is free again
            results = {path: run_alone(model, path, view) for path, view in readable}
        for path, view in batch:
            yield path, results.get(path, view)


def run_views(model: Model, views: Sequence[NetworkInput]) -> Iterator[Result]:
    labels, scores = run_recordings(model, views) if views else ((), ())
    return ((row.tolist(), score.tolist()) for row, score in zip(labels, scores))


def run_alone(model: Model, path: Path, view: NetworkInput) -> Result:
    try:
        return next(run_views(model, [view]))
    except Exception as error:
        return as_record_error(error, path)


def report_failures(path: Path, failures: list[tuple[str, str]], recordings: int) -> int:
    """Lists what failed on the screen and in ``path``; the exit code."""
    path.unlink(missing_ok=True)
    print(f"{recordings - len(failures)} of {recordings} recordings done; their outputs are in {path.parent}")
    if not failures:
        return ALL_WELL
    write_csv(path, [("recording", "reason"), *failures])
    for _, reason in failures:
        print(f"failed: {reason}", file=sys.stderr)
    return SOME_FAILED if len(failures) < recordings else NOTHING_DONE


if __name__ == "__main__":
    run(main)
