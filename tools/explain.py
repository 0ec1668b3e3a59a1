#!/usr/bin/env python
"""Explain a prediction:  python tools/explain.py MODEL RECORD explanation.html --class LAD

Writes a page about one class, or about the most probable one if none is given. It shows the ECG on paper, with blue
behind the parts of the leads that raise the probability of the class: the darker, the more. Tables give the
probability with the P waves, QRS complexes or T waves of normal hearts, and with each lead set to zero. For engineers,
charts show the channel weights of the squeeze-and-excite units. The page shows what the networks respond to, not what
is true. A recording of 10 s takes about a minute.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, so that any folder can call it

from ecg import progress
from ecg.classes import find_class, full_name
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.listing import recording_at
from ecg.data.packed import PackedRecordings
from ecg.data.preprocessing import network_input
from ecg.data.record import Record, read_record
from ecg.model.compute import pick_compute
from ecg.model.description import read_description
from team_code import Model, load_model, predict, run_recordings

CLASS_HELP = "the full name (left axis), abbreviation (LAD) or code of the class (default: the most probable one)"


def main() -> int:
    parser = Arguments(__doc__)
    parser.add_argument("model", type=Path, help="a model folder")
    parser.add_argument("record", type=Path, help="a header, the signal file beside it, or a file of another format")
    parser.add_argument("page", type=Path, help="the page to write")
    parser.add_argument("--class", dest="class_", help=CLASS_HELP)
    args = parser.parse()
    class_ = None if args.class_ is None else find_class(read_description(args.model).classes, args.class_)
    record = read_record(recording_at(args.record))
    explain(load_model(args.model, compute=pick_compute("cpu", float32=True)), record, class_, args.page)
    print(args.page)
    return ALL_WELL


def explain(model: Model, record: Record, class_: int | None, page: Path) -> None:
    """Write the ``page`` that explains the prediction of a class (its column), or of the most probable one if None."""
    from ecg.explanation.summary import explain_class  # both need requirements-report.txt
    from ecg.report.explanation import write_explanation

    def mean_prediction(recordings: PackedRecordings) -> np.ndarray:
        rows = np.arange(len(recordings.lengths))
        return predict(model.networks, recordings, rows, model.recipe, model.compute).mean(axis=0)

    labels, scores, _ = run_recordings(model, [network_input(record, model.recipe)])
    class_ = int(np.argmax(scores[0])) if class_ is None else class_
    progress.print_line(f"explaining {full_name(model.classes[class_])}, probability {scores[0][class_]:.2f} ...")
    explanation = explain_class(model.networks, mean_prediction, record, class_, model.recipe)
    write_explanation(page, record, explanation, labels[0], scores[0], model.description)


if __name__ == "__main__":
    run(main)
