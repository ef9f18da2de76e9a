"""The page of Optical Transformers is what its script prints, and what it says of photons and width is so."""

import importlib.util
import sys

import pytest

from tests.test_docs import ROOT

_SCRIPT = ROOT / "docs" / "make_optical_transformers.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_optical_transformers", _SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_optical_transformers"] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["make_optical_transformers"]


def test_what_is_computed_is_up_to_date(script):
    page = script.PAGE.read_text(encoding="utf-8")
    parts = [script._OPENING, script._CAPTION, script._energy_opening(), script._energy_table()]
    for part in [*parts, script._energy_reading(), script._quantiser(), script._LEFT_OUT]:
        assert part in page, "run: python docs/make_optical_transformers.py"


@pytest.mark.parametrize("kind", ["non-negative", "zero-mean"])
def test_what_is_measured_is_near(script, kind):
    """One width of the table again, with shot noise alone; 4096 outputs, five deviations of a standard deviation."""
    width = script.WIDTHS[0]
    rows = script.PAGE.read_text(encoding="utf-8").splitlines()
    row = next(line for line in rows if line.startswith(f"| {kind} | {width} |"))
    shown = float(row.split("|")[3].strip().removesuffix(" %")) / 100
    point = script.measured(kind, width, script.budget(width, "product"))
    assert point.error == pytest.approx(shown, rel=0.02)
    assert point.error == pytest.approx(script.law(kind, width, script.PER_PRODUCT), rel=5 / (2 * 4096) ** 0.5)
    assert point.electrons == pytest.approx(script.PER_PRODUCT, rel=1e-3)


def test_the_law_is_about_the_product_or_about_the_multiply_accumulate(script):
    narrow, wide = 100, 10_000
    assert script.law("non-negative", narrow, 1e4) == script.law("non-negative", wide, 1e4) == 0.01
    assert script.law("zero-mean", wide, 1e4) == pytest.approx(10 * script.law("zero-mean", narrow, 1e4))
    same = [script.law("zero-mean", width, script.budget(width, "mac")) for width in (narrow, wide)]
    assert same[0] == pytest.approx(same[1])
    assert (ROOT / "docs" / "images" / "optical-transformers.png").stat().st_size > 20_000
