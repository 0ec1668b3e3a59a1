"""A page of HTML in a single file: it opens without a server or a network, and it can be printed."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ecg.errors import printable
from ecg.files import write_text

TEMPLATES = Path(__file__).with_name("templates")


def write_page(path: Path, template: str, **content: object) -> None:
    """Fill ``template`` with ``content`` and write it to ``path``. Text in ``content`` is escaped, so it is no HTML."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": format_number, "printable": printable}
    write_text(path, environment.get_template(template).render(**content))


def format_number(value: float, digits: int = 3) -> str:
    """``value`` with a fixed number of digits, or a dash for NaN.

    >>> format_number(0.12345), format_number(0.12345, 2), format_number(float("nan"))
    ('0.123', '0.12', '-')
    """
    return "-" if value != value else f"{value:.{digits}f}"
