#!/usr/bin/env python
"""Run an exported ensemble without PyTorch:  python examples/serve_onnx.py model.onnx RECORD...

Prints the four lines that driver.py writes for each recording: its name, the class codes, the labels, the
probabilities. The script is an example to read and change: a service loads the model once and calls `classify` for each
recording. It needs onnxruntime, NumPy, and ecg/ of this project.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.cli import ALL_WELL, NOTHING_DONE, SOME_FAILED, Arguments, run
from ecg.data.formats.opening import recording_name
from ecg.data.listing import recording_at
from ecg.data.preprocessing import network_input
from ecg.data.record import read_record, signal_digest
from ecg.data.signal_check import require_ecg
from ecg.data.windows import covering_windows
from ecg.errors import EntryError, NonFiniteError, RecordError
from ecg.evaluation.outputs import format_outputs
from ecg.model.description import Description
from ecg.model.trained_on import TRAINED_ON_IT
from ecg.recipe import CHOICES

TENSORS = {"windows", "demographics", "probabilities"}  # the inputs and the output


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, help="a file that tools/export.py wrote")
    arguments.add_argument(
        "records",
        type=Path,
        nargs="+",
        metavar="RECORD",
        help="a header, a signal beside one, or a file of another format",
    )
    arguments.add_argument("--decide", choices=CHOICES["decide"], help="how labels are chosen (the model's recipe)")
    args = arguments.parse()
    session, description = load(args.model)
    if description.adapted:
        print(description.adapted, file=sys.stderr)
    failed = 0
    for path in args.records:
        try:
            labels, scores, notes = classify(session, description, recording_at(path), args.decide)
            print(format_outputs(recording_name(path), description.classes, labels, scores), end="", flush=True)
            for note in notes:
                print(f"{recording_name(path)}: {note}", file=sys.stderr)
        except (RecordError, NonFiniteError) as error:
            failed += 1
            print(f"failed: {error}", file=sys.stderr)
    if not failed:
        return ALL_WELL
    return SOME_FAILED if failed < len(args.records) else NOTHING_DONE


def load(path: Path) -> tuple[Any, Description]:
    """The onnxruntime session and the description of the model at ``path``; EntryError if it is not one."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        metadata = session.get_modelmeta().custom_metadata_map
        content = {key: json.loads(value) for key, value in metadata.items()}
    except Exception as error:  # onnxruntime raises errors of many types
        raise EntryError(f"{path}: cannot be read as an ONNX file ({error}); export it again") from error
    description = Description.from_json(content, path)
    shapes = {tensor.name: tensor.shape for tensor in (*session.get_inputs(), *session.get_outputs())}
    networks, classes = description.thresholds.shape
    if shapes.keys() != TENSORS or (shapes["probabilities"][0], shapes["probabilities"][-1]) != (networks, classes):
        raise EntryError(f"{path}: its networks do not fit its description; export it again")
    return session, description


def classify(
    session: Any, description: Description, path: Path, decision: str | None = None
) -> tuple[list[int], list[float], list[str]]:
    """Labels (0 or 1) and probabilities, one for each class, of the recording at ``path``, and notes on it.

    ``path`` is that of the header; ``decision`` is "challenge", "clinical" or None for the recipe's. Raises RecordError
    if the recording cannot be read or is no ECG, NonFiniteError if the networks give no finite probability.
    """
    record = read_record(path, lenient=True)
    notes = require_ecg(record, str(path))
    counts, patient = network_input(record, description.recipe)
    parts = []
    for windows in covering_windows(np.array([counts.shape[1]]), description.recipe):
        padded = np.pad(counts, ((0, 0), (0, windows.samples)))
        signals = np.stack([padded[:, start : start + windows.samples] for start in windows.offset]).astype(np.float32)
        patients = np.tile(patient, (len(signals), 1))
        parts += session.run(["probabilities"], {"windows": signals, "demographics": patients})
    p = np.concatenate(parts, axis=1).mean(axis=1, keepdims=True, dtype=float)  # (networks, 1, classes)
    if not np.isfinite(p).all():
        raise NonFiniteError(f"{path}: the networks give no finite probability")
    labels, scores, remarks = description.decide(p, decision)
    notes += [remark for remark in remarks if remark]
    if signal_digest(record) in description.trained_on:
        notes.append(TRAINED_ON_IT)
    return labels[0].astype(int).tolist(), scores[0].tolist(), notes


if __name__ == "__main__":
    run(main)
