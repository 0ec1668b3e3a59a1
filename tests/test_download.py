"""Downloads from a faulty server: every file on disk is complete, and no file is outside the folder."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from ecg.errors import EntryError
from ecg.files import is_inside
from ecg.importing import file_server, physionet
from ecg.importing.physionet import CHECKSUMS, COLLECTIONS
from tests.conftest import ROOT, run_script

GEORGIA, PTBXL = COLLECTIONS["georgia"], COLLECTIONS["ptb-xl-1.0.3"]
PROJECT = "/challenge-2020/1.0.2"


class FaultyServer(ThreadingHTTPServer):
    """``files`` maps a path to its content, ``faults`` to its next faulty responses, ``requests`` to their number.

    A response with the fault "held" waits until ``release`` is set; ``holding`` is set when the first one waits.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[str | int]] = {}
        self.requests: Counter[str] = Counter()
        self.release, self.holding = Event(), Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def publish(self, project: str, files: dict[str, bytes], space: str = " ") -> None:
        sums = "".join(f"{hashlib.sha256(content).hexdigest()}{space}{path}\n" for path, content in files.items())
        self.files |= {f"{project}/{path}": content for path, content in files.items()}
        self.files[f"{project}/{CHECKSUMS}"] = sums.encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server, content = self.server, self.server.files.get(self.path)
        server.requests[self.path] += 1
        faults = server.faults.get(self.path, [])
        fault = faults.pop(0) if faults else None
        if isinstance(fault, int) or content is None:
            self.send_response(fault or 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault == "held":
            server.holding.set()
            server.release.wait(30)
        if fault == "cut":
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif fault == "corrupt":
            self.wfile.write(bytes([content[0] ^ 1]) + content[1:])
        else:
            self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with FaultyServer() as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.release.set()
        server.shutdown()


def georgia(recordings: int = 20) -> dict[str, bytes]:
    """A project's files, some of them outside the collection."""
    files = {f"training/georgia/g1/E{i:05d}.mat": os.urandom(3000) for i in range(recordings)}
    return files | {"training/ptb/g1/S0001.mat": b"ptb", "LICENSE.txt": b"license", "training/georgia-2/x": b"another"}


def fetch(server: FaultyServer, folder: Path, collection=GEORGIA) -> physionet.Outcome:
    return physionet.download(collection, folder, server.address, retry_delay=0.001)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_too_large_a_file_is_aborted(server, tmp_path, monkeypatch):
    server.publish(PROJECT, georgia(2) | {"training/georgia/g1/E00009.mat": bytes(100_000)})
    monkeypatch.setattr(file_server, "LARGEST_FILE", 50_000)
    outcome = fetch(server, tmp_path)
    assert outcome.downloaded == 2 and ["larger than any" in reason for reason in outcome.failed.values()] == [True]


@pytest.mark.parametrize("space", [" ", "  ", " *"])
def test_a_collection_is_downloaded_once(server, tmp_path, space):
    files = georgia()
    server.publish(PROJECT, files, space)
    outcome = fetch(server, tmp_path / "new/folder")
    assert (outcome.downloaded, outcome.present, outcome.failed, outcome.not_tried) == (20, 0, {}, 0)
    prefix = "training/georgia/"
    expected = {path.removeprefix("training/"): c for path, c in files.items() if path.startswith(prefix)}
    assert content_of(tmp_path / "new/folder") == expected
    server.requests.clear()
    outcome = fetch(server, tmp_path / "new/folder")
    assert (outcome.downloaded, outcome.present) == (0, 20)
    assert server.requests == {f"{PROJECT}/{CHECKSUMS}": 1}


def test_ptbxl_collection_has_500_hz_recordings_and_tables(server, tmp_path):
    paths = ("records100/0/1_lr.dat", "records500/0/1_hr.dat", "ptbxl_database.csv", "RECORDS", "LICENSE.txt")
    server.publish("/ptb-xl/1.0.3", {path: path.encode() for path in paths})
    fetch(server, tmp_path, PTBXL)
    assert set(content_of(tmp_path)) == {"records500/0/1_hr.dat", "ptbxl_database.csv", "LICENSE.txt"}


def test_all_2020_has_every_training_folder(server, tmp_path):
    server.publish(PROJECT, georgia(2))
    fetch(server, tmp_path, COLLECTIONS["all-2020"])
    assert {path.split("/")[0] for path in content_of(tmp_path)} == {"georgia", "georgia-2", "ptb"}


def test_temporary_faults_are_retried(server, tmp_path):
    files = georgia()
    server.publish(PROJECT, files)
    faults = [["cut"], ["corrupt"], [503], [429, "cut", "corrupt", 500], ["corrupt"] * 5, ["cut"] * 9, [403], [404]]
    for i, fault in enumerate(faults):
        server.faults[f"{PROJECT}/training/georgia/g1/E{i:05d}.mat"] = fault.copy()
    server.faults[f"{PROJECT}/{CHECKSUMS}"] = [503, "cut"]
    outcome = fetch(server, tmp_path)
    assert (outcome.downloaded, outcome.present, outcome.not_tried) == (16, 0, 0)
    reasons = {"4": "checksum", "5": "cannot be downloaded", "6": "403", "7": "404"}
    assert set(outcome.failed) == {f"georgia/g1/E0000{i}.mat" for i in reasons}
    for i, reason in reasons.items():
        assert reason in outcome.failed[f"georgia/g1/E0000{i}.mat"]
        assert server.requests[f"{PROJECT}/training/georgia/g1/E0000{i}.mat"] == (
            1 if i in "67" else file_server.ATTEMPTS
        )
    present = content_of(tmp_path)
    assert len(present) == 16 and all(files[f"training/{path}"] == content for path, content in present.items())

    server.faults.clear()
    (tmp_path / "georgia/g1/E00010.mat").write_bytes(b"damaged")
    outcome = fetch(server, tmp_path)
    assert (outcome.downloaded, outcome.present, outcome.failed) == (5, 15, {})
    assert len(content_of(tmp_path)) == 20


HOSTILE = ("../x", "g1/../../../../x", "g1/..", "g1\\..\\..\\x", "C:/x", "g1/\x1b[2J", "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_list_with_a_path_outside_the_folder_is_refused(server, tmp_path, name):
    server.publish(PROJECT, {"training/georgia/g1/E00001.mat": b"good", f"training/{name}": b"bad"})
    (tmp_path / "folder").mkdir()
    with pytest.raises(EntryError, match="outside the folder"):
        fetch(server, tmp_path / "folder", COLLECTIONS["all-2020"])
    assert content_of(tmp_path) == {}


@pytest.mark.parametrize("name", [*HOSTILE, "/x", "//x/y", "a/../b", "."])
def test_paths_outside_the_folder(name):
    assert not is_inside(name)


@pytest.mark.parametrize("name", ["x", "a/b", "a b/Müller.hea", "..a/b..", "records500/0/1_hr.dat"])
def test_paths_inside_the_folder(name):
    assert is_inside(name)


def test_missing_malformed_and_wrong_lists_are_errors(server, tmp_path):
    with pytest.raises(EntryError, match="404"):
        fetch(server, tmp_path)
    server.files[f"{PROJECT}/{CHECKSUMS}"] = b"<html>maintenance</html>"
    with pytest.raises(EntryError, match="is not a checksum and a path"):
        fetch(server, tmp_path)
    server.publish(PROJECT, {"a/b": b""})
    with pytest.raises(EntryError, match="lists no file of challenge-2020/1.0.2/training"):
        fetch(server, tmp_path)
    with pytest.raises(EntryError, match="cannot be downloaded"):
        physionet.download(GEORGIA, tmp_path, "not an address")


def test_download_stops_after_many_failures_in_a_row(server, tmp_path):
    server.publish(PROJECT, georgia(200))
    for i in range(200):
        server.faults[f"{PROJECT}/training/georgia/g1/E{i:05d}.mat"] = [404]
    outcome = fetch(server, tmp_path)
    assert (outcome.downloaded, len(outcome.failed)) == (0, physionet.MAX_FAILURES_IN_A_ROW)
    assert outcome.not_tried == 200 - physionet.MAX_FAILURES_IN_A_ROW
    assert sum(server.requests.values()) <= 1 + physionet.MAX_FAILURES_IN_A_ROW + 2 * physionet.WORKERS


def test_the_tool_prints_downloaded_and_failed_files(server, tmp_path):
    server.publish(PROJECT, georgia(3))
    server.faults[f"{PROJECT}/training/georgia/g1/E00001.mat"] = [404]
    command = ("tools/download.py", "georgia", tmp_path, "--from", f"{server.address}/")
    done = run_script(*command)
    assert done.returncode == 1 and "2 files downloaded, 0 already present, 1 failed" in done.stdout, done.stderr
    assert "georgia/g1/E00001.mat: the server answers 404 Not Found" in done.stdout
    done = run_script(*command)
    assert done.returncode == 0 and "1 files downloaded, 2 already present, 0 failed" in done.stdout
    assert run_script("tools/download.py", "georgia", tmp_path, "--from", f"{server.address}/x").returncode == 2


def test_the_same_command_resumes_after_ctrl_c(server, tmp_path):
    files = georgia(30)
    server.publish(PROJECT, files)
    for i in range(10, 30):
        server.faults[f"{PROJECT}/training/georgia/g1/E{i:05d}.mat"] = ["held"]
    command = [sys.executable, str(ROOT / "tools/download.py"), "georgia", str(tmp_path), "--from", server.address]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.holding.wait(30)
    running.send_signal(signal.SIGINT)
    time.sleep(0.2)
    server.release.set()  # running transfers are completed
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 130 and errors.strip() == "interrupted"
    present = content_of(tmp_path)
    assert 0 < len(present) < 30 and all(files[f"training/{path}"] == content for path, content in present.items())
    server.faults.clear()
    outcome = fetch(server, tmp_path)
    assert (outcome.downloaded, outcome.present) == (30 - len(present), len(present))
