"""What the scripts share: the official arguments of every year, one-line errors, exit codes, and closed pipes."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

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


class OpenEnded:
    """A text ``stream`` whose reader may leave early, as ``head`` does: what is written afterwards goes nowhere.

    So a closed pipe stops neither the work nor the writing of its files.
    """

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        with self._reader_may_leave():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._reader_may_leave():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _reader_may_leave(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # also for what the stream still holds, and for child processes
            os.close(nowhere)


def run(main: Callable[[], int]) -> None:
    """Call ``main`` and exit with its code.

    Expected errors and interruptions print one line; an error in the code prints its traceback. A closed pipe is no
    error, and does not change the code.
    """
    install_handlers()
    with redirect_stdout(_open_ended(sys.stdout)), redirect_stderr(_open_ended(sys.stderr)):
        sys.exit(_exit_code(main))


def _open_ended(stream: Any) -> Any:
    return stream and OpenEnded(stream)  # None stays None: the process was started without it


def _exit_code(main: Callable[[], int]) -> int:
    try:
        try:
            return main()
        finally:  # also after --help
            print(end="", flush=True)
    except OtherProcessError:
        return NOTHING_DONE
    except (EntryError, OSError) as error:
        if {"-v", "--verbose"} & set(sys.argv):
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return NOTHING_DONE
    except ModuleNotFoundError as error:
        if error.name not in REQUIREMENTS:
            raise
        print(f"error: {error.name} is not installed: pip install -r {REQUIREMENTS[error.name]}", file=sys.stderr)
        return NOTHING_DONE
    except Interrupted as interruption:
        print(interruption, file=sys.stderr)
        return interruption.exit_code
    except Exception:
        traceback.print_exc()
        return NOTHING_DONE
