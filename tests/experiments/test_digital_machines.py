import pytest

from experiments.digital_machines import digital_machines


def test_published_energies_per_operation():
    # 400 W / 624 TOPS, 700 W / 1979 TOPS, 1000 W / 4500 TFLOPS of the data sheets.
    found = {machine.name: machine.energy_per_op_j for machine in digital_machines()}
    assert found == pytest.approx({"A100 INT8": 6.41e-13, "H100 INT8": 3.537e-13, "B200 FP8": 2.222e-13}, rel=1e-3)


def test_a_mac_is_two_operations():
    machine = digital_machines()[0]
    assert machine.energy_j(1e9) == pytest.approx(2e9 * machine.power_w / machine.op_per_s)


@pytest.mark.parametrize(
    ("replaced", "by", "message"),
    [
        ('source = "S"', "", "x.op_per_s needs a source"),
        ('kind = "vendor"', 'kind = "rumour"', "and a kind out of"),
        ("value = 2.0", "value = -2.0", "positive value, not -2.0"),
        ("value = 2.0", "value = nan", "positive value, not nan"),
        ("value = 2.0", 'value = "2"', "positive value, not '2'"),
    ],
)
def test_numbers_without_source_are_refused(tmp_path, replaced, by, message):
    good = '[x]\nname = "X"\n' + "".join(
        f'[x.{key}]\nvalue = 2.0\nkind = "vendor"\nsource = "S"\n' for key in ("op_per_s", "power_w")
    )
    path = tmp_path / "machines.toml"
    path.write_text(good)
    assert digital_machines(path)[0].energy_per_op_j == 1.0
    path.write_text(good.replace(replaced, by, 1))
    with pytest.raises(ValueError, match=message):
        digital_machines(path)
