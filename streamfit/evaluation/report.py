"""The report of an evaluation: one HTML file with everything in it."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

NONE = "-"


@dataclass(frozen=True)
class Picture:
    """A PNG under the name of its file (without `.png`), with a heading and how it is read."""

    name: str
    heading: str
    caption: str
    png: bytes


def render_report(report: dict[str, Any], pictures: Sequence[Picture]) -> str:
    """The map of `evaluation.json` as tables, and the pictures. It needs no other file and no network."""
    environment = Environment(
        loader=PackageLoader("streamfit.evaluation", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "percent": _percent, "data_uri": _data_uri}
    return environment.get_template("report.html").render(report=report, pictures=pictures)


def _number(value: float | None, digits: int = 2) -> str:
    """A dash where there is none."""
    return NONE if value is None else f"{value:.{digits}f}"


def _percent(value: float | None, digits: int = 1) -> str:
    return NONE if value is None else f"{100 * value:.{digits}f} %"


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode()}"
