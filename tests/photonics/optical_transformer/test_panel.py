"""The panel: columns of both signs, weights."""

from photonics.optical_transformer.panel import Panel


def test_columns_and_weights():
    panel = Panel(inputs=8, outputs=3, transmission=0.5, hold_power_w=5.6e-6, write_energy_j=1e-11, reload_time_s=1e-6)
    assert (panel.columns(), panel.weights()) == (6, 24)
