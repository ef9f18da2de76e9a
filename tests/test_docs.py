"""Pages that a reader follows: links lead somewhere, Python blocks run, commands exist."""

import re
from pathlib import Path

import pytest

from experiments.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^(?:.*&& )?(?:uv run )?exalight ([a-z]+)", re.MULTILINE)


def blocks(text: str, language: str) -> list[str]:
    return [body for name, body in FENCE.findall(text) if name == language]


def anchors(text: str) -> set[str]:
    """Names under which the headings of a page are linked."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    found = []
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        there = file.exists() and file.is_relative_to(ROOT)
        if there and anchor and file.suffix == ".md":
            there = anchor in anchors(file.read_text("utf-8"))
        if not there:
            found.append(target)
    return found


def test_there_are_pages():
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= {page.name for page in PAGES}
    assert len(PAGES) > 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page):
    assert broken_links(page) == []


def test_a_broken_link_is_seen(tmp_path, monkeypatch):
    monkeypatch.setitem(broken_links.__globals__, "ROOT", tmp_path)
    (tmp_path / "there.md").write_text("# A heading, here\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](gone.md) ![c](gone.png) [d](there.md#a-heading-here) [e](there.md#no) [f](https://x.org/y)\n"
        "```\n[g](also-gone.md)\n```\n[h](#none)\n"
    )
    assert broken_links(page) == ["gone.md", "gone.png", "there.md#no", "#none"]


WITH_PYTHON = [page for page in PAGES if blocks(page.read_text("utf-8"), "python")]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_blocks_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "page"}
    for number, block in enumerate(blocks(page.read_text("utf-8"), "python")):
        exec(compile(block, f"{page.name} block {number}", "exec"), names)


def test_the_readme_has_its_example():
    (first, *_) = blocks((ROOT / "README.md").read_text("utf-8"), "python")
    assert "photonics.load_engine" in first
    assert len([line for line in first.splitlines() if line.strip()]) <= 12


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_exist(page, capsys):
    shells = [body for name in ("sh", "bash", "console") for body in blocks(page.read_text("utf-8"), name)]
    for command in {name for shell in shells for name in COMMAND.findall(shell)}:
        assert main([command, "--help"]) == 0
        assert f"usage: exalight {command}" in capsys.readouterr().out


def test_a_command_that_is_none_is_seen(capsys):
    assert COMMAND.findall("pip install uv && uv run exalight acuracy --out x\nuv run pytest\nexalight engines") == [
        "acuracy",
        "engines",
    ]
    assert main(["acuracy", "--help"]) == 0  # help for all commands
    assert "usage: exalight acuracy" not in capsys.readouterr().out
