"""Download the recordings of a PhysioNet project and verify each file by its published checksum.

PhysioNet publishes ``SHA256SUMS.txt`` at the root of each project: a line ``checksum  path`` for each of the other
files. If a path in that list leads outside the target folder, nothing is downloaded. A download is resumed file by
file, because the files are small (0.1 to 11 MB).
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ecg.errors import EntryError
from ecg.files import is_inside
from ecg.progress import bar

PHYSIONET = "https://physionet.org/files"
CHECKSUMS = "SHA256SUMS.txt"
WORKERS = 8  # parallel downloads: the server takes longer to start a file than to send it
RETRY_DELAY = 1.0  # seconds before the second attempt
MAX_FAILURES_IN_A_ROW = 25  # then the network or the disk has failed


@dataclass(frozen=True)
class Collection:
    """A set of files to download.

    ``root`` is a folder of a PhysioNet project. The collection is every file below it whose path begins with one of
    ``prefixes``. ``gigabytes`` is an estimate from the number of recordings and their mean length.
    """

    root: str
    prefixes: tuple[str, ...]
    recordings: int
    gigabytes: float
    description: str


TRAINING = "challenge-2020/1.0.2/training"
# The numbers of recordings are the organisers' (Perez Alday et al., Physiol Meas 2020, doi 10.1088/1361-6579/abc960).
COLLECTIONS = {
    "cpsc_2018": Collection(TRAINING, ("cpsc_2018/",), 6877, 1.3, "A: China, CPSC 2018"),
    "cpsc_2018_extra": Collection(TRAINING, ("cpsc_2018_extra/",), 3453, 0.7, "Q: China, unused by CPSC 2018"),
    "st_petersburg_incart": Collection(TRAINING, ("st_petersburg_incart/",), 74, 0.8, "I: 30 minutes each, 257 Hz"),
    "ptb": Collection(TRAINING, ("ptb/",), 516, 1.4, "S: Germany, 1000 Hz"),
    "ptb-xl": Collection(TRAINING, ("ptb-xl/",), 21837, 2.6, "HR: Germany, with the Challenge's labels"),
    "georgia": Collection(TRAINING, ("georgia/",), 10344, 1.2, "E: south-eastern United States"),
    "all-2020": Collection(TRAINING, ("",), 43101, 8.0, "all six, the public training data of 2020"),
    "ptb-xl-1.0.3": Collection(
        "ptb-xl/1.0.3",
        ("records500/", "ptbxl_database.csv", "scp_statements.csv", "LICENSE.txt"),
        21799,
        2.7,
        "PTB-XL at 500 Hz with its own statements and patients, for import_records.py ptbxl",
    ),
}


@dataclass
class Outcome:
    """The numbers of files that were downloaded, already present or not tried; the reason for each failed file."""

    downloaded: int = 0
    present: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    not_tried: int = 0


def download(collection: Collection, folder: Path, base: str = PHYSIONET, retry_delay: float = RETRY_DELAY) -> Outcome:
    """Download the files of ``collection`` that ``folder`` lacks.

    Parameters
    ----------
    collection : Collection
        One of COLLECTIONS.
    folder : Path
        The target folder; it is created. A file in it with the right checksum is left as it is.
    base : str
        The address above the projects.
    retry_delay : float
        Seconds before the second attempt at a file. The delay doubles with each further attempt.

    Returns
    -------
    Outcome

    Raises
    ------
    EntryError
        If the checksum list is missing or malformed, lists no file of the collection, or has a path outside the folder.
    """
    from ecg.importing.file_server import FileServer  # here, so that `download.py --help` works without requests

    server = FileServer(base.rstrip("/"), retry_delay, connections=WORKERS)
    project = "/".join(collection.root.split("/")[:2])
    checksums = select_files(server.get(f"{project}/{CHECKSUMS}").decode("utf-8", "replace"), collection)
    if not checksums:
        raise EntryError(f"{base}/{project}/{CHECKSUMS}: lists no file of {collection.root}; is it of another version?")
    outcome, failures_in_a_row = Outcome(), 0
    with ThreadPoolExecutor(WORKERS) as executor:

        def submit(name: str) -> Future[bool]:
            path = f"{collection.root}/{name}"
            return executor.submit(server.download_file, path, folder / name, checksums[name])

        try:
            for name, future in bar(_as_completed(submit, checksums), len(checksums), "downloading", "files"):
                try:
                    downloaded = future.result()
                except (EntryError, OSError) as error:
                    outcome.failed[name] = str(error)
                    failures_in_a_row += 1
                    if failures_in_a_row == MAX_FAILURES_IN_A_ROW:
                        break
                    continue
                failures_in_a_row = 0
                outcome.downloaded += downloaded
                outcome.present += not downloaded
        finally:  # after an interruption, running transfers are completed and retries are dropped
            server.stopped.set()
            executor.shutdown(cancel_futures=True)
    outcome.not_tried = len(checksums) - outcome.downloaded - outcome.present - len(outcome.failed)
    return outcome


def _as_completed(submit: Callable[[str], Future[bool]], names: dict[str, str]) -> Iterator[tuple[str, Future[bool]]]:
    """Yield each name with its future as it completes. Only twice as many files as workers are submitted ahead."""
    remaining = iter(names)
    pending: dict[Future[bool], str] = {}
    while True:
        for name in islice(remaining, 2 * WORKERS - len(pending)):
            pending[submit(name)] = name
        if not pending:
            return
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            yield pending.pop(future), future


def select_files(checksum_list: str, collection: Collection) -> dict[str, str]:
    """Map each file of ``collection`` in ``checksum_list``, by its path below the collection's root, to its checksum.

    Raises EntryError if a line is malformed or a path of the collection leads outside the target folder.
    """
    root = "".join(f"{part}/" for part in collection.root.split("/")[2:])
    selected = {}
    for line in checksum_list.splitlines():
        if not line.strip():
            continue
        match = re.fullmatch(r"([0-9a-fA-F]{64})\s+\*?(.+)", line)
        if not match:
            raise EntryError(f"{CHECKSUMS}: the line {line:.100} is not a checksum and a path; is the list complete?")
        checksum, path = match.groups()
        if not path.startswith(tuple(root + prefix for prefix in collection.prefixes)):
            continue
        name = path.removeprefix(root)
        if not is_inside(name):
            raise EntryError(f"{CHECKSUMS}: {name:.100} is outside the folder; nothing is downloaded with this list")
        selected[name] = checksum.lower()
    return selected
