"""What the scripts share: the official arguments of every year, one-line errors, and exit codes."""

import argparse
import sys
import traceback
from collections.abc import Callable

from ecg.errors import EntryError, OtherProcessError
from ecg.interruption import Interrupted, install_handlers
from ecg.version import VERSION

ALL_WELL, SOME_FAILED, NOTHING_DONE = 0, 1, 2
REQUIREMENTS = {  # packages that only some scripts need: the file that installs each
    "captum": "requirements-report.txt",
    "jinja2": "requirements-report.txt",
    "matplotlib": "requirements-report.txt",
    "pydicom": "requirements-data.txt",
    "requests": "requirements-data.txt",
    "onnx": "requirements-export.txt",
    "onnxruntime": "requirements-export.txt",
    "onnxscript": "requirements-export.txt",
}


class Arguments(argparse.ArgumentParser):
    """A parser whose arguments can be given in order (2020, 2021) or by flag (2025): ``DATA`` or ``-d DATA``."""

    def __init__(self, description: str | None):
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.add_argument("-v", "--verbose", action="store_true", help="show where in the code an error came from")
        self.add_argument("--version", action="version", version=VERSION)
        self._either: list[tuple[str, str, bool]] = []

    def add_either(self, name: str, flag: str, help: str, required: bool = True) -> None:
        """Add an argument that can be given in order or by ``flag``."""
        self._either.append((name, flag, required))
        self.add_argument(name, nargs="?", metavar=name.upper(), help=help)
        self.add_argument(flag, dest=f"{name}_by_flag", metavar=name.upper(), help=f"the same, by flag: {flag}")

    def add_compute(self) -> None:
        """Add --device and --float32."""
        self.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: the GPU if there is one)")
        self.add_argument("--float32", action="store_true", help="compute in float32 instead of the fastest dtype")

    def parse(self) -> argparse.Namespace:
        args = self.parse_args()
        in_order = [getattr(args, name) for name, _, _ in self._either]
        for name, flag, required in self._either:
            # arguments in order fill the places that no flag has taken
            value = getattr(args, f"{name}_by_flag")
            if value is None and in_order:
                value = in_order.pop(0)
            if value is None and required:
                self.error(f"{name.upper()} is missing: give it in order or as {flag}")
            setattr(args, name, value)
        if any(in_order):
            self.error(f"too many arguments: {' '.join(filter(None, in_order))}")
        return args


def run(main: Callable[[], int]) -> None:
    """Call ``main`` and exit with its code.

    Expected errors and interruptions print one line; an error in the code prints its traceback.
    """
    install_handlers()
    try:
        sys.exit(main())
    except OtherProcessError:
        sys.exit(NOTHING_DONE)
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
