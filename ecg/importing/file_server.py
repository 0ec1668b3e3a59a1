"""Download files over HTTP with retries and checksums. No other file uses requests."""

import hashlib
from pathlib import Path
from threading import Event
from urllib.parse import quote

import requests

from ecg.errors import EntryError
from ecg.files import write_errors, write_whole

ATTEMPTS = 5
TIMEOUT = 60.0  # seconds without a byte
RETRIED_4XX = (408, 429)  # request timeout, too many requests
LARGEST_FILE = 200 << 20  # bytes; recordings have at most 11 MB, PTB-XL's table and checksum list have less


class FileServer:
    """The files below the address ``base``. Several threads may use it at once; ``stopped`` ends all retries."""

    def __init__(self, base: str, retry_delay: float, connections: int):
        self.base, self.retry_delay, self.stopped = base, retry_delay, Event()
        self.session = requests.Session()
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=connections))

    def download_file(self, path: str, target: Path, checksum: str) -> bool:
        """Write ``target`` unless it has the ``checksum`` already. Returns whether it was written.

        Raises EntryError if the file cannot be downloaded or written.
        """
        if target.is_file():
            with open(target, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == checksum:
                    return False
        content = self.get(path, checksum)
        with write_errors(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, lambda temporary: temporary.write_bytes(content))
        return True

    def get(self, path: str, checksum: str | None = None) -> bytes:
        """Download the file at ``path``. Raises EntryError after ATTEMPTS temporary errors or one permanent error."""
        address = f"{self.base}/{quote(path)}"
        reason = "interrupted"
        for attempt in range(ATTEMPTS):
            if attempt and self.stopped.wait(self.retry_delay * 2 ** (attempt - 1)):
                break
            try:
                response, content = self._request(address)
            except requests.RequestException as error:  # no connection, or a connection that broke during the transfer
                reason = f"cannot be downloaded ({error})"
                if isinstance(error, ValueError):  # an invalid address
                    break
                continue
            if response.status_code == requests.codes.ok:
                if checksum in (None, hashlib.sha256(content).hexdigest()):
                    return content
                reason = "its checksum is not the published one"
                continue
            reason = f"the server answers {response.status_code} {response.reason}"
            if response.status_code < 500 and response.status_code not in RETRIED_4XX:
                break
        raise EntryError(f"{address}: {reason}")

    def _request(self, address: str) -> tuple[requests.Response, bytes]:
        """The response and its content. Raises EntryError if the content exceeds LARGEST_FILE."""
        content = bytearray()
        with self.session.get(address, timeout=TIMEOUT, stream=True) as response:
            for part in response.iter_content(1 << 20):
                content += part
                if len(content) > LARGEST_FILE:
                    raise EntryError(f"{address}: is larger than any file there ({LARGEST_FILE:,} bytes)")
        return response, bytes(content)
