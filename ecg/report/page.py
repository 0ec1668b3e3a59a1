"""A page of HTML in one file: it opens from a disk, without a network, and prints."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ecg.errors import printable
from ecg.files import write_text

TEMPLATES = Path(__file__).with_name("templates")


def write_page(path: Path, template: str, **content: Any) -> None:
    """Writes ``template``, filled with ``content``; whatever comes from a file is shown as text, never as HTML."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": figure, "printable": printable}
    write_text(path, environment.get_template(template).render(**content))


def figure(value: float, digits: int = 3) -> str:
    """A dash where it is not defined."""
    return "-" if value != value else f"{value:.{digits}f}"
