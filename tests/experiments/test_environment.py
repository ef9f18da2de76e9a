import json

from experiments.environment import environment, source_hash, stamp, versions


def test_environment_is_complete_and_plain():
    facts = json.loads(json.dumps(environment(["accuracy", "--seed", "3"], 3, "cpu")))
    assert facts["command"] == ["exalight", "accuracy", "--seed", "3"]
    assert facts["seed"] == 3
    assert facts["packages"]["jax"]
    assert {"date", "python", "platform", "cpu", "cpus", "git", "backend", "source_sha256"} <= set(facts)


def test_stamp_is_stable_and_follows_the_source(monkeypatch):
    assert stamp() == stamp()
    before = stamp()
    monkeypatch.setattr("experiments.environment.source_hash", lambda: "other")
    assert stamp() != before
    assert len(source_hash()) == 64


def test_absent_packages_are_none():
    assert versions(["no-such-distribution"]) == {"no-such-distribution": None}
