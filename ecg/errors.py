"""The package's exceptions. Each message names the file and says what to do; the scripts print it in one line."""


class EntryError(Exception):
    """Nothing can be done: a folder, a model or an argument is unusable."""


class RecordError(EntryError):
    """One recording or one file of it is unusable; the others are not concerned."""


def as_record_error(error: Exception, header: object) -> RecordError:
    """``error``, whatever it is, as that of the one recording whose header is at ``header``."""
    return error if isinstance(error, RecordError) else RecordError(f"{header}: {error!r}")
