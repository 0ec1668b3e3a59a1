"""The version of this entry; pyproject.toml repeats it, and a test compares the two."""

VERSION = "1.0.0"
