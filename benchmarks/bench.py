#!/usr/bin/env python
"""Time every stage beside a plain implementation of the same work:  python benchmarks/bench.py

The plain implementation (plain.py) always uses the recipe `published`, so its ratio to `best` includes what the cheaper
recipe saves. Both are timed in turn, several times; the ratio is that of the medians, with the lowest and the highest
ratio of the pairs. Only speed is measured: the networks are untrained, the recordings are noise.
"""

import platform
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg.cli import ALL_WELL, Arguments, run

STAGES = ("store", "training", "run_model", "driver", "thresholds", "evaluate_model")
COLUMNS = ("stage", "unit", "plain", "this project", "ratio (lowest to highest)", "goal")


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("--only", nargs="+", choices=STAGES, default=STAGES, help="the stages to time (all)")
    args = arguments.parse()
    import torch  # after the arguments, so that --help is fast

    from benchmarks import stages
    from benchmarks.measuring import processor_name
    from ecg.model.compute import pick_compute

    started = time.monotonic()
    compute = pick_compute()
    print(f"{processor_name()}, {torch.get_num_threads()} threads; {compute}")
    print(f"Python {platform.python_version()}, PyTorch {torch.__version__}", flush=True)
    rows: list[stages.Row] = []
    notes: list[str] = []
    for name in args.only:
        print(f"{name} ...", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            for result in getattr(stages, name)(Path(folder), compute):
                if isinstance(result, stages.Row):
                    rows.append(result)
                else:
                    notes.append(result)
    print("\n| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    for row in rows:
        print(f"| {row.stage} | {row.unit} | {row.plain:.3g} | {row.ours:.3g} | {row.ratio} | {row.goal} |")
    print("\n".join(["", *notes, f"{(time.monotonic() - started) / 60:.1f} minutes"]))
    return ALL_WELL


if __name__ == "__main__":
    run(main)
