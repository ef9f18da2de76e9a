"""The page of the roadmap is what its script prints."""

import importlib.util
from pathlib import Path

from models.hardware.roadmap_file import read_roadmap_file

_SCRIPT = Path(__file__).parents[2] / "docs" / "make_roadmap.py"


def _script():
    spec = importlib.util.spec_from_file_location("make_roadmap", _SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date():
    script = _script()
    committed = script.PAGE.read_text(encoding="utf-8")
    assert committed == script.page(), "run: python docs/make_roadmap.py"


def test_the_page_gives_a_line_and_a_reason_for_every_parameter():
    page = _script().page()
    for path, one in read_roadmap_file().parameters.items():
        assert page.count(f"\n| {path} |") == 1 and page.count(f"\n### {path}\n") == 1
        assert one.source.title in page
