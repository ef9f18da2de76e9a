from experiments.finetune_plot import finetune_figure

POINTS = [
    {"arm": arm, "laser_power_w": power_w, "kl_nats": scale * 1e-3 / power_w, "kl_nats_spread": spread}
    for arm, scale, spread in (("before", 1.0, 0.01), ("after", 0.5, None))
    for power_w in (0.01, 0.005, 0.0025)
]


def test_both_arms_are_drawn_against_laser_power():
    curve = [{"step": step, "loss_nats": 1.0 / (step + 1), "learning_rate": 1e-3} for step in range(25)]
    learning, worth = finetune_figure(POINTS, curve, "a title").axes[:2]
    assert [line.get_label() for line in worth.containers] == ["before training", "after training"]
    assert [text.get_text() for text in worth.get_xticklabels()] == ["2.5", "5", "10"]
    smooth = learning.lines[1]
    assert list(smooth.get_xdata()) == list(range(10, 26))


def test_a_run_of_no_steps_has_no_curve():
    learning = finetune_figure(POINTS, [], "a title").axes[0]
    assert not learning.lines and learning.texts[0].get_text() == "no steps"
