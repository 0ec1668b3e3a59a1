"""Which recordings a model was trained on, without a way back to them.

model.json holds a keyed digest of each training recording's signal (BLAKE2b, 8 bytes). Whoever has the same signal can
see that it was in the training set. Nobody can compute a signal, a name or a patient from a digest, and each training
has its own key, so the digests of two models cannot be compared.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TRAINED_ON_IT = "the model was trained on this signal"


@dataclass(frozen=True)
class TrainedOn:
    """The keyed digests of the training recordings."""

    key: bytes = b""
    digests: frozenset[str] = frozenset()

    @classmethod
    def of(cls, signal_digests: Iterable[bytes], secret: str) -> "TrainedOn":
        """The digests of recordings, each given as ``ecg.data.record.signal_digest``; ``secret`` makes the key."""
        key = hashlib.blake2b(secret.encode(), digest_size=16).digest()
        return cls(key, frozenset(_keyed(digest, key) for digest in signal_digests))

    def and_of(self, signal_digests: Iterable[bytes], secret: str) -> "TrainedOn":
        """The same with further recordings. Their digests have the same key; ``secret`` makes one if there is none."""
        if not self.key and not self.digests:
            return TrainedOn.of(signal_digests, secret)
        return TrainedOn(self.key, self.digests | {_keyed(digest, self.key) for digest in signal_digests})

    def __contains__(self, signal_digest: bytes) -> bool:
        return bool(self.digests) and _keyed(signal_digest, self.key) in self.digests

    def as_json(self) -> dict[str, Any]:
        return {"key": self.key.hex(), "digests": " ".join(sorted(self.digests))}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "TrainedOn":
        """The digests that ``as_json`` wrote. Other content raises an error that Description catches."""
        key = bytes.fromhex(content["key"])
        if len(key) > hashlib.blake2b.MAX_KEY_SIZE:
            raise ValueError("the key of the training recordings is too long")
        return cls(key, frozenset(content["digests"].split()))


def _keyed(digest: bytes, key: bytes) -> str:
    return hashlib.blake2b(digest, key=key, digest_size=8).hexdigest()
