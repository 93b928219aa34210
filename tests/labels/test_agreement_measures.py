import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from caer_data.labels import agreement_measures as measures


def answers(clips: int, raters: int, per_clip: int, seed: int) -> np.ndarray:
    """(raters, clips) of class ids, NaN where a rater did not answer; skewed classes."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(7, clips, p=[0.12, 0.05, 0.03, 0.2, 0.4, 0.1, 0.1])
    given = np.where(rng.random((raters, clips)) < 0.6, truth, rng.integers(0, 7, (raters, clips)))
    table = np.full((raters, clips), np.nan)
    for clip in range(clips):
        who = rng.permutation(raters)[:per_clip]
        table[who, clip] = given[who, clip]
    return table


def counts_of(table: np.ndarray) -> np.ndarray:
    return np.stack([(table == c).sum(axis=0) for c in range(7)], axis=1).astype(float)


@pytest.mark.parametrize(
    ("clips", "raters", "per_clip", "missing"),
    [(500, 6, 3, 0.0), (500, 6, 3, 0.3), (40, 4, 2, 0.1), (20, 3, 3, 0.5), (300, 9, 5, 0.2)],
)
def test_alpha_equals_krippendorff(clips: int, raters: int, per_clip: int, missing: float) -> None:
    table = answers(clips, raters, per_clip, seed=clips)
    table[np.random.default_rng(0).random(table.shape) < missing] = np.nan
    expected = krippendorff.alpha(table, level_of_measurement="nominal")
    assert measures.krippendorff_alpha(counts_of(table)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("per_clip", [2, 3, 5])
@pytest.mark.parametrize("clips", [10, 400])
def test_fleiss_kappa_equals_statsmodels(clips: int, per_clip: int) -> None:
    counts = counts_of(answers(clips, 6, per_clip, seed=clips))
    assert measures.fleiss_kappa(counts) == pytest.approx(fleiss_kappa(counts), abs=1e-9)


def test_cohen_kappas_equal_scikit_learn() -> None:
    pairs = [answers(n, 2, 2, seed=n).astype(int) for n in (5, 30, 400)]
    tables = np.zeros((3, 7, 7))
    for i, (a, b) in enumerate(pairs):
        np.add.at(tables[i], (a, b), 1)
    observed, kappas = measures.cohen_kappas(tables)
    expected = [cohen_kappa_score(a, b) for a, b in pairs]
    assert list(kappas) == pytest.approx(expected, abs=1e-9)
    assert list(observed) == pytest.approx([(a == b).mean() for a, b in pairs])


def test_class_kappa_is_fleiss_kappa_of_the_class_against_the_rest() -> None:
    counts = counts_of(answers(300, 6, 3, seed=1))
    specific, kappas = measures.class_agreement(counts)
    for c in range(7):
        binary = np.stack([counts[:, c], 3 - counts[:, c]], axis=1)
        assert kappas[c] == pytest.approx(fleiss_kappa(binary), abs=1e-9)
        pairs = (counts[:, c] * (counts[:, c] - 1)).sum() / (counts[:, c] * 2).sum()
        assert specific[c] == pytest.approx(pairs)


def test_coincidences_sum_to_the_answers() -> None:
    counts = counts_of(answers(100, 6, 3, seed=2))
    table = measures.coincidences(counts)
    assert np.allclose(table, table.T)
    assert np.allclose(table.sum(axis=1), counts.sum(axis=0))


class TestInterval:
    def test_holds_alpha_and_repeats_by_seed(self) -> None:
        counts = counts_of(answers(500, 6, 3, seed=3))
        low, high = measures.alpha_interval(counts, 1000, seed=1)
        assert low < measures.krippendorff_alpha(counts) < high
        assert (low, high) == measures.alpha_interval(counts, 1000, seed=1)
        assert (low, high) != measures.alpha_interval(counts, 1000, seed=2)

    def test_equals_drawing_clips_one_by_one(self) -> None:
        counts = counts_of(answers(200, 6, 3, seed=4))
        rng = np.random.default_rng(0)
        drawn = [
            measures.krippendorff_alpha(counts[rng.integers(0, 200, 200)]) for _ in range(4000)
        ]
        expected = np.quantile(drawn, [0.025, 0.975])
        assert measures.alpha_interval(counts, 4000, seed=0) == pytest.approx(expected, abs=0.006)

    def test_covers_the_truth_as_often_as_it_says(self) -> None:
        truth = measures.krippendorff_alpha(counts_of(answers(40_000, 3, 3, seed=5)))
        inside = 0
        for seed in range(200):
            counts = counts_of(answers(150, 3, 3, seed=1000 + seed))
            low, high = measures.alpha_interval(counts, 400, seed)
            inside += low <= truth <= high
        assert 0.89 <= inside / 200 <= 0.99


def test_what_cannot_be_measured_is_nan() -> None:
    nothing, same = np.zeros((0, 7)), np.tile([0, 0, 0, 3.0, 0, 0, 0], (5, 1))
    single = np.eye(7)
    for counts in (nothing, same, single):
        assert np.isnan(measures.krippendorff_alpha(counts))
        assert np.isnan(measures.fleiss_kappa(counts))
        assert np.isnan(measures.alpha_interval(counts, 10, 0)).all()
    with pytest.raises(ValueError, match="same number"):
        measures.fleiss_kappa(np.array([[2.0, 1], [1, 1]]))


@pytest.mark.parametrize(("hits", "trials"), [(0, 13), (8, 20), (9, 10), (20, 20), (1, 3)])
def test_wilsons_interval_is_that_of_statsmodels(hits: int, trials: int) -> None:
    expected = proportion_confint(hits, trials, method="wilson")
    assert measures.wilson(hits, trials) == pytest.approx(expected, abs=1e-12)


def test_no_trial_has_no_interval() -> None:
    assert np.isnan(measures.wilson(0, 0)).all()
