"""What the scripts share: the official arguments of every year, and errors in one line with an exit code."""

import argparse
import sys
import traceback
from collections.abc import Callable

from ecg.errors import EntryError
from ecg.interruption import Interrupted, listen

ALL_WELL, SOME_FAILED, NOTHING_DONE = 0, 1, 2
REQUIREMENTS = {  # of what only some scripts need: which file installs it
    "captum": "requirements-report.txt",
    "jinja2": "requirements-report.txt",
    "matplotlib": "requirements-report.txt",
    "pyedflib": "requirements-data.txt",
    "requests": "requirements-data.txt",
    "onnx": "requirements-export.txt",
    "onnxruntime": "requirements-export.txt",
    "onnxscript": "requirements-export.txt",
}


class Arguments(argparse.ArgumentParser):
    """A parser whose arguments can be given in order (2020, 2021) or by flag (2025): ``DATA`` or ``-d DATA``."""

    def __init__(self, description: str):
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.add_argument("-v", "--verbose", action="store_true", help="show where in the code an error came from")
        self._either: list[tuple[str, str, bool]] = []

    def add_either(self, name: str, flag: str, help: str, required: bool = True) -> None:
        self._either.append((name, flag, required))
        self.add_argument(name, nargs="?", metavar=name.upper(), help=help)
        self.add_argument(flag, dest=f"{name}_by_flag", metavar=name.upper(), help=f"the same, by flag: {flag}")

    def add_compute(self) -> None:
        self.add_argument("--device", help="cpu, cuda, cuda:1 ... (a GPU where there is one)")
        self.add_argument("--float32", action="store_true", help="compute in float32, not in the fastest numbers")

    def parse(self) -> argparse.Namespace:
        given = self.parse_args()
        in_order = [getattr(given, name) for name, _, _ in self._either]
        for name, flag, required in self._either:
            # with flags, what stands in order fills the places that no flag has taken
            value = getattr(given, f"{name}_by_flag")
            if value is None and in_order:
                value = in_order.pop(0)
            if value is None and required:
                self.error(f"{name.upper()} is missing: give it in order or as {flag}")
            setattr(given, name, value)
        if any(in_order):
            self.error(f"too many arguments: {' '.join(filter(None, in_order))}")
        return given


def run(main: Callable[[], int]) -> None:
    """Calls ``main`` and exits with its code; what ends it early is one line, a defect of ours its traceback."""
    listen()
    try:
        sys.exit(main())
    except (EntryError, OSError) as error:
        if {"-v", "--verbose"} & set(sys.argv):
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        sys.exit(NOTHING_DONE)
    except ModuleNotFoundError as error:
        if error.name not in REQUIREMENTS:
            raise
        print(f"error: {error.name} is not installed: pip install -r {REQUIREMENTS[error.name]}", file=sys.stderr)
        sys.exit(NOTHING_DONE)
    except Interrupted as interruption:
        print(interruption, file=sys.stderr)
        sys.exit(interruption.exit_code)
    except Exception:
        traceback.print_exc()
        sys.exit(NOTHING_DONE)
