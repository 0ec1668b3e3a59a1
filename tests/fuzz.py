#!/usr/bin/env python
"""Coverage-guided fuzzing of the file readers:  pip install atheris; python tests/fuzz.py --seconds 60

Each reader is fuzzed for so many seconds, starting from valid files. It must return a result or raise one of the
package's errors. Anything else is a defect: it is printed, its input is kept in fuzz-findings/, and the exit code is 1.
"""

import argparse
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import scipy.io

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--seconds", type=int, default=60, help="for each reader (60)")
SECONDS = arguments.parse_args().seconds

try:
    import atheris
except ModuleNotFoundError:
    sys.exit("error: atheris is not installed: pip install atheris")

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["ecg", "wfdb"]):
    from ecg.classes import load_weights
    from ecg.data import record
    from ecg.data.header import parse_header, read_diagnoses
    from ecg.data.record import make_record, read_record
    from ecg.data.signal_files import read_mat
    from ecg.errors import EntryError
    from ecg.evaluation.metrics import score
    from ecg.evaluation.outputs import load_labels_and_outputs
    from ecg.model.compute import pick_compute
    from ecg.model.description import MODEL_FORMAT
    from ecg.model.folder import read_model

WEIGHTS = load_weights()
FOLDER = Path(tempfile.mkdtemp())
COUNTS = np.arange(12 * 40, dtype=np.int16).reshape(12, 40)
HEADER = "\n".join(
    [
        "A1 12 500 40",
        *(f"A1.mat 16+24 1000/mV 16 0 0 0 0 {lead}" for lead in record.LEADS),
        "#Age: 60",
        "#Dx: 426783006",
        "",
    ]
)
OUTPUTS = "\n".join(["#A1", ",".join(WEIGHTS.classes), ",".join("01" * 12), ",".join(["0.5"] * 24), ""])


def mat(version: str) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, {"val": COUNTS}, format=version)
    return file.getvalue()


def header(content: bytes) -> None:
    parse_header(content.decode("latin-1"))
    (FOLDER / "A1.hea").write_bytes(content)
    read_diagnoses(FOLDER / "A1.hea")


def signal(content: bytes) -> None:
    (FOLDER / "A1.mat").write_bytes(content)
    make_record(parse_header(HEADER), read_mat(FOLDER / "A1.mat"))


def other_formats(content: bytes) -> None:
    """A header beside a .dat file, which wfdb reads."""
    (FOLDER / "wfdb").mkdir(exist_ok=True)
    (FOLDER / "wfdb/B1.hea").write_bytes(content)
    (FOLDER / "wfdb/B1.dat").write_bytes(COUNTS.tobytes())
    read_record(FOLDER / "wfdb/B1.hea")


def outputs(content: bytes) -> None:
    (FOLDER / "A1.hea").write_text(HEADER)
    (FOLDER / "A1.csv").write_bytes(content)
    truth, labels, scores, *_ = load_labels_and_outputs([str(FOLDER / "A1.hea")], FOLDER, WEIGHTS)
    score(WEIGHTS, truth, labels, scores)


def model(content: bytes) -> None:
    (FOLDER / "model.json").write_bytes(content)
    read_model(FOLDER, pick_compute("cpu"))


DESCRIPTION = json.dumps(
    {
        "format": MODEL_FORMAT,
        "recipe": {"name": "x", "width": 4, "reduction": 2},
        "classes": ["1"],
        "rewards": [[1.0]],
        "folds": [{"thresholds": [0.5]}],
    }
).encode()
TARGETS: dict[Callable[[bytes], None], list[bytes]] = {
    header: [HEADER.encode(), b"A1 2 500/1000(0) 0 11:00:00 01/02/2020\nA1.mat 16 200(5)/mV 16 0 I\n# Sex: M\n"],
    signal: [mat("4"), mat("5")],
    other_formats: [HEADER.replace(".mat 16+24", ".dat 16").replace("A1", "B1").encode()],
    outputs: [OUTPUTS.encode()],
    model: [DESCRIPTION],
}


def main() -> int:
    defects = 0
    for target, seeds in TARGETS.items():
        child = os.fork()  # libFuzzer ends the process that it runs in
        if child == 0:
            fuzz(target, seeds, SECONDS)
        defects += os.waitpid(child, 0)[1] != 0
    print(f"{defects} of {len(TARGETS)} readers have a defect")
    return int(defects > 0)


def fuzz(target: Callable[[bytes], None], seeds: list[bytes], seconds: int) -> None:
    corpus, findings = FOLDER / target.__name__, Path("fuzz-findings")
    corpus.mkdir()
    findings.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)

    def call_target(content: bytes) -> None:
        with suppress(EntryError):
            target(content)

    print(f"\n{target.__name__}", flush=True)
    limits = [
        f"-max_total_time={seconds}",
        "-rss_limit_mb=2048",
        "-timeout=10",
        "-max_len=4096",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *limits, f"-artifact_prefix={findings}/{target.__name__}-"], call_target)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
