#!/usr/bin/env python
"""Run an exported ensemble, without PyTorch:  python examples/serve_onnx.py model.onnx RECORD...

Prints for each recording the four lines that driver.py writes: its name, the class codes, the labels, the
probabilities. To be read and changed: a service loads the model once, and calls `answer` for each recording that it is
sent. It needs onnxruntime, NumPy, and of this project ecg/ alone.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.cli import ALL_WELL, NOTHING_DONE, SOME_FAILED, Arguments, run
from ecg.data.preprocessing import network_input
from ecg.data.record import read_record
from ecg.data.windows import covering_windows
from ecg.decision.labels import decide_labels
from ecg.errors import EntryError, RecordError
from ecg.evaluation.outputs import format_outputs
from ecg.model.description import Description, read_description

FORM = {"windows", "demographics", "probabilities"}  # what goes in, and comes out


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, help="what tools/export.py wrote")
    arguments.add_argument("records", type=Path, nargs="+", metavar="RECORD", help="a header, or a signal beside one")
    given = arguments.parse()
    session, told = load(given.model)
    failed = 0
    for path in given.records:
        try:
            labels, scores = answer(session, told, path.with_suffix(".hea"))
            print(format_outputs(path.stem, told.classes, labels, scores), end="", flush=True)
        except RecordError as error:
            failed += 1
            print(f"failed: {error}", file=sys.stderr)
    if not failed:
        return ALL_WELL
    return SOME_FAILED if failed < len(given.records) else NOTHING_DONE


def load(path: Path):
    """The onnxruntime session of the model at ``path``, and its Description; EntryError where it is none."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises whatever the file makes it stumble over
        raise EntryError(f"{path}: cannot be read as an ONNX file ({error}); export it again") from error
    metadata = session.get_modelmeta().custom_metadata_map
    told = read_description(path, lambda: {key: json.loads(value) for key, value in metadata.items()})
    form = {part.name: part.shape for part in (*session.get_inputs(), *session.get_outputs())}
    members, classes = told.thresholds.shape
    if form.keys() != FORM or (form["probabilities"][0], form["probabilities"][-1]) != (members, classes):
        raise EntryError(f"{path}: its networks are not those that it describes; export it again")
    return session, told


def answer(session, told: Description, path: Path) -> tuple[list[int], list[float]]:
    """Labels (0 or 1) and probabilities, one a class, of the recording whose header is at ``path``.

    RecordError where it cannot be read, or the networks give no number for it.
    """
    counts, patient = network_input(read_record(path, lenient=True), told.recipe)
    parts = []
    for windows in covering_windows(np.array([counts.shape[1]]), told.recipe):
        padded = np.pad(counts, ((0, 0), (0, windows.samples)))
        seen = np.stack([padded[:, start : start + windows.samples] for start in windows.offset]).astype(np.float32)
        patients = np.tile(patient, (len(seen), 1))
        parts += session.run(["probabilities"], {"windows": seen, "demographics": patients})
    p = np.concatenate(parts, axis=1).mean(axis=1, keepdims=True, dtype=float)  # (members, 1, classes)
    if not np.isfinite(p).all():
        raise RecordError(f"{path}: the networks give no number for it")
    labels, scores = decide_labels(told.recipe, told.rewards, p, told.thresholds)
    return labels[0].astype(int).tolist(), scores[0].tolist()


if __name__ == "__main__":
    run(main)
