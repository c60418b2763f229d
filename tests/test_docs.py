"""The documentation says what the program says, and its code is code."""

import ast
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
TROUBLE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
ALARMS = TROUBLE + (ROOT / "docs" / "alarms.md").read_text(encoding="utf-8")
SOURCES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "streamfit").rglob("*.py")}


def test_every_reason_for_which_something_is_dropped_is_explained() -> None:
    found = {
        reason
        for text in SOURCES.values()
        for reason in re.findall(r'(?:Rejected|reject|_drop)\((?:\w+, )?"([a-z_]+)"', text)
    }
    assert len(found) > 20
    assert {reason for reason in found if f"`{reason}`" not in TROUBLE} == set()


def test_every_alarm_is_explained() -> None:
    """By the words of each that are always the same."""
    text = SOURCES[ROOT / "streamfit" / "daemon" / "monitoring" / "checks.py"]
    said = re.findall(r'what = f"([^"]+)"|Condition\(\s*"?[^,]+, f?"([^"]+)"', text)
    fixed = [max(re.split(r"\{[^}]*\}", a or b), key=len).strip() for a, b in said]
    assert len(fixed) > 12
    assert [words for words in fixed if words not in ALARMS] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_the_pages_is_python_and_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        indent = len(block) - len(block.lstrip(" "))
        ast.parse("\n".join(line[indent:] for line in block.splitlines()))
    for link in re.findall(r"\]\(([^)#\s]+)\)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_the_reference_is_what_the_types_say() -> None:
    """But for the commands' help, whose lines break as another version of click breaks them."""
    made = runpy.run_path(str(ROOT / "docs" / "reference.py"))["page"]()
    kept = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert made.partition("## Commands")[0] == kept.partition("## Commands")[0], "run docs/reference.py"
    assert re.findall(r"^### streamfit \w+", made, re.MULTILINE) == re.findall(
        r"^### streamfit \w+", kept, re.MULTILINE
    )


def test_the_pictures_of_the_fit_are_drawn_by_the_code(tmp_path: Path) -> None:
    """The one that takes no fit: the weights that the picture shows are the fit's."""
    figure = runpy.run_path(str(ROOT / "docs" / "fit_pictures.py"))["weights_figure"]()
    weight, pull = figure.axes
    for line in weight.get_lines():
        values = line.get_ydata()
        assert values[0] == 1.0
        assert (values[1:] < values[:-1]).all()
    certain, *_ = (line.get_ydata() for line in pull.get_lines())
    assert certain[-1] < certain.max() / 4  # what is far out pulls hardly at all
