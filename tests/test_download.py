"""Files fetched from a bad server: what is there in the end is whole, and nothing is anywhere else."""

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
from ecg.importing import physionet
from ecg.importing.physionet import COLLECTIONS, LIST
from tests.conftest import ROOT, run_script

GEORGIA, PTBXL = COLLECTIONS["georgia"], COLLECTIONS["ptb-xl-1.0.3"]
PROJECT = "/challenge-2020/1.0.2"


class BadServer(ThreadingHTTPServer):
    """``files``: path -> content. ``faults``: path -> what its next answers are instead; ``asked`` counts."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.faults, self.asked = {}, {}, Counter()
        self.held, self.reached = Event(), Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def publish(self, project: str, files: dict[str, bytes], space: str = " ") -> None:
        sums = "".join(f"{hashlib.sha256(content).hexdigest()}{space}{path}\n" for path, content in files.items())
        self.files |= {f"{project}/{path}": content for path, content in files.items()}
        self.files[f"{project}/{LIST}"] = sums.encode()


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server, content = self.server, self.server.files.get(self.path)
        server.asked[self.path] += 1
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
            server.reached.set()
            server.held.wait(30)
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
    with BadServer() as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.held.set()
        server.shutdown()


def georgia(recordings: int = 20) -> dict[str, bytes]:
    """A project's files: of the collection, and not of it."""
    files = {f"training/georgia/g1/E{i:05d}.mat": os.urandom(3000) for i in range(recordings)}
    return files | {"training/ptb/g1/S0001.mat": b"ptb", "LICENSE.txt": b"license", "training/georgia-2/x": b"another"}


def fetch(server: BadServer, folder: Path, collection=GEORGIA) -> physionet.Outcome:
    return physionet.download(collection, folder, server.address, pause=0.001)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_server_that_sends_without_end_fills_no_memory(server, tmp_path, monkeypatch):
    server.publish(PROJECT, georgia(2) | {"training/georgia/g1/E00009.mat": bytes(100_000)})
    monkeypatch.setattr(physionet, "LARGEST", 50_000)
    outcome = fetch(server, tmp_path)
    assert outcome.fetched == 2 and ["larger than any" in reason for reason in outcome.failed.values()] == [True]


@pytest.mark.parametrize("space", [" ", "  ", " *"])
def test_what_is_asked_for_is_fetched_once(server, tmp_path, space):
    files = georgia()
    server.publish(PROJECT, files, space)
    outcome = fetch(server, tmp_path / "new/folder")
    assert (outcome.fetched, outcome.there, outcome.failed, outcome.untried) == (20, 0, {}, 0)
    wanted = {path.removeprefix("training/"): c for path, c in files.items() if path.startswith("training/georgia/")}
    assert content_of(tmp_path / "new/folder") == wanted
    server.asked.clear()
    outcome = fetch(server, tmp_path / "new/folder")
    assert (outcome.fetched, outcome.there) == (0, 20)
    assert server.asked == {f"{PROJECT}/{LIST}": 1}


def test_of_ptb_xl_the_recordings_at_500_hz_and_the_tables(server, tmp_path):
    paths = ("records100/0/1_lr.dat", "records500/0/1_hr.dat", "ptbxl_database.csv", "RECORDS", "LICENSE.txt")
    server.publish("/ptb-xl/1.0.3", {path: path.encode() for path in paths})
    fetch(server, tmp_path, PTBXL)
    assert set(content_of(tmp_path)) == {"records500/0/1_hr.dat", "ptbxl_database.csv", "LICENSE.txt"}


def test_all_2020_is_every_folder(server, tmp_path):
    server.publish(PROJECT, georgia(2))
    fetch(server, tmp_path, COLLECTIONS["all-2020"])
    assert {path.split("/")[0] for path in content_of(tmp_path)} == {"georgia", "georgia-2", "ptb"}


def test_broken_connections_wrong_bytes_and_busy_servers_are_tried_again(server, tmp_path):
    files = georgia()
    server.publish(PROJECT, files)
    faults = [["cut"], ["corrupt"], [503], [429, "cut", "corrupt", 500], ["corrupt"] * 5, ["cut"] * 9, [403], [404]]
    for i, fault in enumerate(faults):
        server.faults[f"{PROJECT}/training/georgia/g1/E{i:05d}.mat"] = fault.copy()
    server.faults[f"{PROJECT}/{LIST}"] = [503, "cut"]
    outcome = fetch(server, tmp_path)
    assert (outcome.fetched, outcome.there, outcome.untried) == (16, 0, 0)
    reasons = {"4": "checksum", "5": "cannot be fetched", "6": "403", "7": "404"}
    assert set(outcome.failed) == {f"georgia/g1/E0000{i}.mat" for i in reasons}
    for i, reason in reasons.items():
        assert reason in outcome.failed[f"georgia/g1/E0000{i}.mat"]
        assert server.asked[f"{PROJECT}/training/georgia/g1/E0000{i}.mat"] == (1 if i in "67" else physionet.ATTEMPTS)
    there = content_of(tmp_path)
    assert len(there) == 16 and all(files[f"training/{path}"] == content for path, content in there.items())

    server.faults.clear()
    (tmp_path / "georgia/g1/E00010.mat").write_bytes(b"damaged")
    outcome = fetch(server, tmp_path)
    assert (outcome.fetched, outcome.there, outcome.failed) == (5, 15, {})
    assert len(content_of(tmp_path)) == 20


HOSTILE = ("../x", "g1/../../../../x", "g1/..", "g1\\..\\..\\x", "C:/x", "g1/\x1b[2J", "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_list_that_leads_elsewhere_is_refused_whole(server, tmp_path, name):
    server.publish(PROJECT, {"training/georgia/g1/E00001.mat": b"right", f"training/{name}": b"wrong"})
    (tmp_path / "folder").mkdir()
    with pytest.raises(EntryError, match="outside the folder"):
        fetch(server, tmp_path / "folder", COLLECTIONS["all-2020"])
    assert content_of(tmp_path) == {}


@pytest.mark.parametrize("name", [*HOSTILE, "/x", "//x/y", "a/../b", "."])
def test_paths_that_lead_elsewhere(name):
    assert not is_inside(name)


@pytest.mark.parametrize("name", ["x", "a/b", "a b/Müller.hea", "..a/b..", "records500/0/1_hr.dat"])
def test_paths_that_stay_below(name):
    assert is_inside(name)


def test_a_list_that_is_none_or_of_another_project(server, tmp_path):
    with pytest.raises(EntryError, match="404"):
        fetch(server, tmp_path)
    server.files[f"{PROJECT}/{LIST}"] = b"<html>maintenance</html>"
    with pytest.raises(EntryError, match="is no checksum and path"):
        fetch(server, tmp_path)
    server.publish(PROJECT, {"a/b": b""})
    with pytest.raises(EntryError, match="names nothing of challenge-2020/1.0.2/training"):
        fetch(server, tmp_path)
    with pytest.raises(EntryError, match="cannot be fetched"):
        physionet.download(GEORGIA, tmp_path, "no address")


def test_where_nothing_comes_any_more_it_gives_up(server, tmp_path):
    server.publish(PROJECT, georgia(200))
    for i in range(200):
        server.faults[f"{PROJECT}/training/georgia/g1/E{i:05d}.mat"] = [404]
    outcome = fetch(server, tmp_path)
    assert (outcome.fetched, len(outcome.failed)) == (0, physionet.HOPELESS)
    assert outcome.untried == 200 - physionet.HOPELESS
    assert sum(server.asked.values()) <= 1 + physionet.HOPELESS + 2 * physionet.AT_ONCE


def test_the_tool_says_what_came_and_what_did_not(server, tmp_path):
    server.publish(PROJECT, georgia(3))
    server.faults[f"{PROJECT}/training/georgia/g1/E00001.mat"] = [404]
    command = ("tools/download.py", "georgia", tmp_path, "--from", f"{server.address}/")
    done = run_script(*command)
    assert done.returncode == 1 and "2 files fetched, 0 there already, 1 failed" in done.stdout, done.stderr
    assert "georgia/g1/E00001.mat: the server answers 404 Not Found" in done.stdout
    done = run_script(*command)
    assert done.returncode == 0 and "1 files fetched, 2 there already, 0 failed" in done.stdout
    assert run_script("tools/download.py", "georgia", tmp_path, "--from", f"{server.address}/x").returncode == 2


def test_after_ctrl_c_the_same_command_goes_on(server, tmp_path):
    files = georgia(30)
    server.publish(PROJECT, files)
    for i in range(10, 30):
        server.faults[f"{PROJECT}/training/georgia/g1/E{i:05d}.mat"] = ["held"]
    command = [sys.executable, str(ROOT / "tools/download.py"), "georgia", str(tmp_path), "--from", server.address]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.reached.wait(30)
    running.send_signal(signal.SIGINT)
    time.sleep(0.2)
    server.held.set()  # what was under way comes to its end
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 130 and errors.strip() == "interrupted"
    there = content_of(tmp_path)
    assert 0 < len(there) < 30 and all(files[f"training/{path}"] == content for path, content in there.items())
    server.faults.clear()
    outcome = fetch(server, tmp_path)
    assert (outcome.fetched, outcome.there) == (30 - len(there), len(there))
