#!/usr/bin/env python
"""Run the trained ensemble on a folder of recordings:  python driver.py MODEL DATA OUTPUTS

Writes OUTPUTS/NAME.csv for each recording. One that cannot be read costs the others nothing: its output has no
positive label, and it is listed with its reason at the end and in OUTPUTS/failures.csv; the exit code is then 1, or 2
where none could be read.
"""

import csv
import io
import sys
from pathlib import Path

from ecg import progress
from ecg.cli import ALL_WELL, NOTHING_DONE, SOME_FAILED, Arguments, run
from ecg.errors import EntryError, as_record_error
from ecg.files import write_text
from ecg.outputs import format_outputs
from ecg.records import find_records, parse_header, read_signal, read_text
from team_code import Model, load_model, run_model


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_either("model", "-m", "the folder of the trained model")
    arguments.add_either("data", "-d", "the folder of the recordings (read only)")
    arguments.add_either("outputs", "-o", "the folder for the outputs")
    arguments.add_argument("-f", "--allow_failures", action="store_true", help="taken, as in 2025: it is always so")
    given = arguments.parse()
    model = load_model(given.model)
    headers = find_records(given.data)
    outputs = Path(given.outputs)
    try:
        outputs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EntryError(f"{outputs}: cannot be made ({error.strerror})") from error

    failures = []
    for path in progress.bar(headers, len(headers), "running", "recordings"):
        try:
            classes, labels, scores = run_file(model, path)
        except Exception as error:  # whatever is wrong with this recording, the others are still to be done
            failures.append((path.stem, str(as_record_error(error, path))))
            classes = model.classes
            labels = scores = [0] * len(classes)
        write_text(outputs / f"{path.stem}.csv", format_outputs(path.stem, classes, labels, scores))
    return report_failures(outputs / "failures.csv", failures, len(headers))


def run_file(model: Model, path: Path) -> tuple[list, list, list]:
    """run_model on the recording whose header is at ``path``; one shorter than its header says is run as it is."""
    text = read_text(path)
    return run_model(model, text, read_signal(path, parse_header(text, path.stem, str(path))))


def report_failures(path: Path, failures: list[tuple[str, str]], recordings: int) -> int:
    """Lists what failed on the screen and in ``path``; the exit code."""
    path.unlink(missing_ok=True)
    print(f"{recordings - len(failures)} of {recordings} recordings done; their outputs are in {path.parent}")
    if not failures:
        return ALL_WELL
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("recording", "reason"), *failures])
    write_text(path, table.getvalue())
    for _, reason in failures:
        print(f"failed: {reason}", file=sys.stderr)
    return SOME_FAILED if len(failures) < recordings else NOTHING_DONE


if __name__ == "__main__":
    run(main)
