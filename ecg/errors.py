"""The package's exceptions. Each message names the file and says what to do; the scripts print it in one line."""


def printable(text: str) -> str:
    """``text`` in one line that a terminal shows as it is: names of files and headers' words come from strangers."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


class EntryError(Exception):
    """Nothing can be done: a folder, a model or an argument is unusable."""

    def __str__(self) -> str:
        return printable(super().__str__())


class RecordError(EntryError):
    """One recording or one file of it is unusable; the others are not concerned."""


def as_record_error(error: Exception, header: object) -> RecordError:
    """``error``, whatever it is, as that of the one recording whose header is at ``header``."""
    return error if isinstance(error, RecordError) else RecordError(f"{header}: {error!r}")
