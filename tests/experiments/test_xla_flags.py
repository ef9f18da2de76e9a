"""Full vectors where the CPU has them, and nothing that the user has not decided otherwise."""

import pytest

from experiments import cli, xla_flags


@pytest.mark.parametrize(
    ("before", "has", "after"),
    [
        (None, True, "--xla_cpu_prefer_vector_width=512"),
        ("--xla_dump_to=x", True, "--xla_dump_to=x --xla_cpu_prefer_vector_width=512"),
        ("--xla_cpu_prefer_vector_width=128", True, "--xla_cpu_prefer_vector_width=128"),
        ("--xla_dump_to=x", False, "--xla_dump_to=x"),
        (None, False, None),
    ],
)
def test_flags(monkeypatch, before, has, after):
    monkeypatch.setattr(xla_flags, "_has_avx512", lambda: has)
    if before is None:
        # Set first, so that what the function sets is taken back as well.
        monkeypatch.setenv("XLA_FLAGS", "")
        monkeypatch.delenv("XLA_FLAGS")
    else:
        monkeypatch.setenv("XLA_FLAGS", before)
    xla_flags.use_full_vectors()
    assert xla_flags.os.environ.get("XLA_FLAGS") == after


def test_the_cpu_is_asked(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("flags : fpu avx2 avx512f avx512bw\n")
    assert xla_flags._has_avx512(info)
    info.write_text("flags : fpu avx2\n")
    assert not xla_flags._has_avx512(info)
    assert not xla_flags._has_avx512(tmp_path / "absent")


def test_every_command_asks_for_them(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(cli, "use_full_vectors", lambda: asked.append(True))
    assert cli.main(["--version"]) == 0
    assert asked and capsys.readouterr().out.startswith("exalight ")
