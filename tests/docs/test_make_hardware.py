"""The page of all hardware numbers is what its script prints."""

import importlib.util
from pathlib import Path

_SCRIPT = Path(__file__).parents[2] / "docs" / "make_hardware.py"


def _script():
    spec = importlib.util.spec_from_file_location("make_hardware", _SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date():
    script = _script()
    committed = script.PAGE.read_text(encoding="utf-8")
    assert committed == script.page(), "run: python docs/make_hardware.py"


def test_the_page_shows_every_value_of_the_full_engine_once():
    from photonics.catalogue import read_engine_file

    script = _script()
    section = script.page().split("\n## ")[1]
    for path in read_engine_file(script.FULL).values:
        assert section.count(f"\n| {path} |") == 1
