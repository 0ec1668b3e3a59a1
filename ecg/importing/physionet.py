"""Recordings from PhysioNet: what a project's list of checksums names, each file whole and verified or not at all.

PhysioNet publishes ``SHA256SUMS.txt`` at the root of each project's files, a line ``checksum  path`` for every other
file. The list comes from a stranger like all else: it names no place outside the folder, or nothing is fetched.
Resumption is by the file: they are small, from 0.1 to 11 MB.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Event
from urllib.parse import quote

import requests

from ecg.errors import EntryError
from ecg.files import is_inside, write_errors, write_whole
from ecg.progress import bar

PHYSIONET = "https://physionet.org/files"
LIST = "SHA256SUMS.txt"
AT_ONCE = 8  # files; each takes the server longer to begin than to send
ATTEMPTS = 5
PAUSE = 1.0  # seconds after the first attempt; twice as long after each further one
TIMEOUT = 60.0  # seconds without a byte
NOT_FOR_GOOD = (408, 429)  # of the 4xx: too slow, too many at once
LARGEST = 200 << 20  # bytes; a recording has at most 11 MB, and the table of PTB-XL and its list have less
HOPELESS = 25  # files in a row that fail: then the network or the disk has


@dataclass(frozen=True)
class Collection:
    """``root``: a folder of a project; what lies there below ``parts`` is fetched, under its path from there.

    ``recordings``: how many; ``gigabytes``: about how much is fetched, by their number and mean length.
    """

    root: str
    parts: tuple[str, ...]
    recordings: int
    gigabytes: float
    about: str


TRAINING = "challenge-2020/1.0.2/training"
# The numbers are the organisers' (Perez Alday et al., Physiol Meas 2020, doi 10.1088/1361-6579/abc960).
COLLECTIONS = {
    "cpsc_2018": Collection(TRAINING, ("cpsc_2018/",), 6877, 1.3, "A: China, CPSC 2018"),
    "cpsc_2018_extra": Collection(TRAINING, ("cpsc_2018_extra/",), 3453, 0.7, "Q: China, unused by CPSC 2018"),
    "st_petersburg_incart": Collection(TRAINING, ("st_petersburg_incart/",), 74, 0.8, "I: half an hour each, 257 Hz"),
    "ptb": Collection(TRAINING, ("ptb/",), 516, 1.4, "S: Germany, 1000 Hz"),
    "ptb-xl": Collection(TRAINING, ("ptb-xl/",), 21837, 2.6, "HR: Germany, with the Challenge's labels"),
    "georgia": Collection(TRAINING, ("georgia/",), 10344, 1.2, "E: south-eastern United States"),
    "all-2020": Collection(TRAINING, ("",), 43101, 8.0, "these six, all that the Challenge of 2020 published"),
    "ptb-xl-1.0.3": Collection(
        "ptb-xl/1.0.3",
        ("records500/", "ptbxl_database.csv", "scp_statements.csv", "LICENSE.txt"),
        21799,
        2.7,
        "PTB-XL itself at 500 Hz, with its own statements and patients: for import_records.py ptbxl",
    ),
}


@dataclass
class Outcome:
    """How many files were fetched and were there already; why others failed; how many were given up untried."""

    fetched: int = 0
    there: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    untried: int = 0


def download(collection: Collection, folder: Path, base: str = PHYSIONET, pause: float = PAUSE) -> Outcome:
    """Fetches what ``folder`` lacks of ``collection``; a file there with the right checksum is left as it is.

    ``base``: the address above the projects; ``pause``: seconds before a second attempt. EntryError where there is no
    list, none of its files is of the collection, or it names a place outside the folder.
    """
    server = Server(base.rstrip("/"), pause)
    project = "/".join(collection.root.split("/")[:2])
    wanted = pick(server.get(f"{project}/{LIST}").decode("utf-8", "replace"), collection)
    if not wanted:
        raise EntryError(f"{base}/{project}/{LIST}: names nothing of {collection.root}; is it another version's?")
    outcome, in_a_row = Outcome(), 0
    with ThreadPoolExecutor(AT_ONCE) as workers:

        def begin(name: str, checksum: str) -> Future:
            return workers.submit(server.fetch, f"{collection.root}/{name}", folder / name, checksum)

        try:
            for name, done in bar(_as_they_end(begin, wanted), len(wanted), "downloading", "files"):
                try:
                    fetched = done.result()
                except (EntryError, OSError) as error:
                    outcome.failed[name] = str(error)
                    in_a_row += 1
                    if in_a_row == HOPELESS:
                        break
                    continue
                in_a_row = 0
                outcome.fetched += fetched
                outcome.there += not fetched
        finally:  # an interruption waits for the files that are under way, and for no pause
            server.stopped.set()
            workers.shutdown(cancel_futures=True)
    outcome.untried = len(wanted) - outcome.fetched - outcome.there - len(outcome.failed)
    return outcome


def _as_they_end(begin: Callable[[str, str], Future], wanted: dict[str, str]) -> Iterator[tuple[str, Future]]:
    """The ``wanted`` files' names, and what came of each; no more are begun than workers need not to wait."""
    left, files = iter(wanted.items()), {}
    while True:
        for name, checksum in islice(left, 2 * AT_ONCE - len(files)):
            files[begin(name, checksum)] = name
        if not files:
            return
        for done in wait(files, return_when=FIRST_COMPLETED).done:
            yield files.pop(done), done


def pick(text: str, collection: Collection) -> dict[str, str]:
    """From a list of checksums those of ``collection``, by their path below its root.

    EntryError where a line is none, or a path of the collection leads elsewhere.
    """
    within = "".join(f"{part}/" for part in collection.root.split("/")[2:])
    picked = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        match = re.fullmatch(r"([0-9a-fA-F]{64})\s+\*?(.+)", line)
        if not match:
            raise EntryError(f"{LIST}: the line {line:.100} is no checksum and path; was it fetched whole?")
        checksum, path = match.groups()
        if not path.startswith(tuple(within + part for part in collection.parts)):
            continue
        name = path.removeprefix(within)
        if not is_inside(name):
            raise EntryError(f"{LIST}: names {name:.100}, outside the folder; nothing is fetched by such a list")
        picked[name] = checksum.lower()
    return picked


class Server:
    """Files below the address ``base``, fetched by several threads at once; ``stopped`` ends all attempts."""

    def __init__(self, base: str, pause: float):
        self.base, self.pause, self.stopped = base, pause, Event()
        self.session = requests.Session()
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=AT_ONCE))

    def fetch(self, path: str, target: Path, checksum: str) -> bool:
        """Writes ``target``, and says whether it had to; EntryError where that failed."""
        if target.is_file():
            with open(target, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == checksum:
                    return False
        content = self.get(path, checksum)
        with write_errors(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, lambda temporary: temporary.write_bytes(content))
        return True

    def ask(self, address: str) -> tuple[requests.Response, bytes]:
        """The answer and its content; EntryError where that is larger than any file there."""
        content = bytearray()
        with self.session.get(address, timeout=TIMEOUT, stream=True) as response:
            for part in response.iter_content(1 << 20):
                content += part
                if len(content) > LARGEST:
                    raise EntryError(f"{address}: is larger than any file there ({LARGEST:,} bytes)")
        return response, bytes(content)

    def get(self, path: str, checksum: str | None = None) -> bytes:
        """The content of the file at ``path``, with that ``checksum``; EntryError where ATTEMPTS did not bring it."""
        address = f"{self.base}/{quote(path)}"
        reason = "interrupted"
        for attempt in range(ATTEMPTS):
            if attempt and self.stopped.wait(self.pause * 2 ** (attempt - 1)):
                break
            try:
                response, content = self.ask(address)
            except requests.RequestException as error:  # no connection, or one that broke off in the middle
                reason = f"cannot be fetched ({error})"
                if isinstance(error, ValueError):  # the address is none
                    break
                continue
            if response.status_code == requests.codes.ok:
                if checksum in (None, hashlib.sha256(content).hexdigest()):
                    return content
                reason = f"has not the checksum that {LIST} says"
                continue
            reason = f"the server answers {response.status_code} {response.reason}"
            if response.status_code < 500 and response.status_code not in NOT_FOR_GOOD:
                break
        raise EntryError(f"{address}: {reason}")
