import numpy as np

from foleycli.evaluate.probe import fit_probe


def test_learns_clusters_and_knows_only_them():
    rng = np.random.default_rng(0)
    labels = ["a", "b", "c"] * 30
    centres = {"a": 0.0, "b": 5.0, "c": 10.0}
    rows = np.array([rng.standard_normal(4) + centres[x] for x in labels], np.float32)
    probe = fit_probe(rows[:60], labels[:60])
    assert probe.classes == ["a", "b", "c"]
    assert probe.top(rows[60:], labels[60:]) > 0.9
    assert probe.top(rows[60:], ["unknown"] * 30, k=3) == 0


def test_top_k_of_noise_is_chance():
    rng = np.random.default_rng(0)
    labels = [str(i % 10) for i in range(400)]
    rows = rng.standard_normal((800, 5)).astype(np.float32)
    share = fit_probe(rows[:400], labels).top(rows[400:], labels, k=5)
    assert 0.4 < share < 0.6
