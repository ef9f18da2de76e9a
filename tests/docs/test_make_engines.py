"""The page about the families of engines is what its script prints, for the engines as they are."""

import tomllib

from docs import make_engines
from photonics.catalogue import engine_names
from photonics.families import FAMILIES


def test_the_page_is_up_to_date():
    assert make_engines.PAGE.read_text("utf-8") == make_engines.page()


def test_every_family_and_engine_is_on_the_page():
    text = make_engines.PAGE.read_text("utf-8")
    assert all(f"| `{name}` |" in text for name in FAMILIES)
    assert all(f"| `{name}` |" in text for name in engine_names() if name != "ideal")


def test_accuracies_are_those_of_engines_that_exist():
    rows = tomllib.loads(make_engines.MEASURED.read_text("utf-8"))["row"]
    assert {row["engine"] for row in rows} < set(engine_names())
    assert all(row["perplexity"] >= row["digital_perplexity"] and 0 <= row["top1_agreement"] <= 1 for row in rows)
