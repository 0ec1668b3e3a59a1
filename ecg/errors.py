"""The package's exceptions. Each message names the file and says what to do; the scripts print it in one line."""


def printable(text: str) -> str:
    """``text`` in one line with its control characters escaped: file names and headers come from strangers."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


class EntryError(Exception):
    """A folder, a model or an argument is unusable, so the command cannot run."""

    def __str__(self) -> str:
        return printable(super().__str__())


class RecordError(EntryError):
    """One recording or one of its files is unusable; the other recordings are not affected."""


class NonFiniteError(EntryError):
    """The networks give NaN or infinity instead of a number."""


class OtherProcessError(EntryError):
    """Another process of the same run failed and has printed the reason."""


def as_record_error(error: Exception, header: object) -> RecordError:
    """Turn any ``error`` into the RecordError of the recording whose header is at ``header``."""
    if isinstance(error, RecordError):
        return error
    return RecordError(f"{header}: {error if isinstance(error, EntryError) else repr(error)}")
