#!/usr/bin/env python
"""Write the features of recordings, for your own statistics:  python tools/features.py MODEL DATA features.npz

The features are what the networks see in a signal: the input of the last layer without age and sex, the mean over a
recording's windows. A network has 8 x width of them, 256 with the recipe `best`. A row of the table is a recording; it
has the features of the first network, then those of the second, and so on, because the networks learn features of
their own and a mean over networks would mix them.

The .npz holds `names` (recordings,), `features`, float32 (recordings, networks x 8 x width), and `networks`, their
number. A name that ends in .csv gives a table with the columns recording, n1_f1, n1_f2 ... instead. A recording that
cannot be read, or is no ECG, is named and left out; the exit code is then 1, or 2 if none is left.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, so that any folder can call it

from ecg import progress
from ecg.cli import ALL_WELL, NOTHING_DONE, SOME_FAILED, Arguments, run
from ecg.data.formats.opening import recording_name
from ecg.data.listing import find_recordings
from ecg.data.prefetch import PreparedRecording, run_batches
from ecg.errors import EntryError, RecordError, printable
from ecg.files import write_arrays, write_csv
from ecg.model.answers import recording_features
from ecg.model.compute import pick_compute
from ecg.model.folder import Model
from team_code import load_model

FORMATS = (".npz", ".csv")


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_either("model", "-m", "the folder of the trained model")
    arguments.add_either("data", "-d", "the folder of the recordings (read only)")
    arguments.add_either("features", "-o", "the .npz or .csv to write")
    arguments.add_compute()
    args = arguments.parse()
    path = Path(args.features)
    if path.suffix.lower() not in FORMATS:
        raise EntryError(f"{path}: its name must end in {' or '.join(FORMATS)}")
    model = load_model(args.model, compute=pick_compute(args.device, args.float32))
    failures: list[RecordError] = []
    headers = find_recordings(args.data, refuse=failures.append)
    names: list[str] = []
    rows: list[np.ndarray] = []
    running = run_batches(headers, model.recipe, partial(features_of, model))
    for header, result in progress.bar(running, len(headers), "running", "recordings"):
        if isinstance(result, RecordError):
            failures.append(result)
        else:
            names.append(printable(recording_name(header)))
            rows.append(result)
    if rows:
        write_features(path, names, np.stack(rows))
    for failure in failures:
        print(f"left out: {failure}", file=sys.stderr)
    done = f"in {path}" if rows else "written"
    print(f"features of {len(rows):,} of {len(rows) + len(failures):,} recordings {done}")
    return ALL_WELL if not failures else SOME_FAILED if rows else NOTHING_DONE


def features_of(model: Model, recordings: Sequence[tuple[Path, PreparedRecording]]) -> list[np.ndarray]:
    """The features, float32 (networks, 8 x width), of each of ``recordings``, which run in one batch."""
    return list(recording_features(model, [prepared.input for _, prepared in recordings]).swapaxes(0, 1))


def write_features(path: Path, names: Sequence[str], features: np.ndarray) -> None:
    """Write the table; ``features`` is float32 (recordings, networks, 8 x width)."""
    recordings, networks, size = features.shape
    table = features.reshape(recordings, networks * size)
    if path.suffix.lower() == ".npz":
        write_arrays(path, {"names": np.array(names), "features": table, "networks": np.array(networks)})
        return
    columns = [f"n{network}_f{number}" for network in range(1, networks + 1) for number in range(1, size + 1)]
    write_csv(path, [["recording", *columns], *([name, *(f"{x:.9g}" for x in row)] for name, row in zip(names, table))])


if __name__ == "__main__":
    run(main)
