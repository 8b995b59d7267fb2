"""The density of many rows."""

import numpy as np
from scipy import stats

import uncertainty as un
from uncertainty.arrays import in_float64
from uncertainty.inference.target import batches_at, target_of


def test_ten_thousand_rows_and_as_many_groups_are_read_and_weighed():
    """Against the density of the rows by SciPy, at two points of the prior."""
    count, sigma, spread = 10_000, 0.3, 0.2
    rng = np.random.default_rng(4)
    factors, values = rng.uniform(1, 5, count), rng.lognormal(0, 0.3, count)
    evidence = {
        "schema": 1,
        "observes": "y",
        "error": {"lognormal": {"sigma": sigma}},
        "random_effect": {"column": "system", "sd": spread},
        "columns": ["system", "b", "value"],
        "rows": [[f"s{i}", b, v] for i, (b, v) in enumerate(zip(factors, values, strict=True))],
    }
    laws = {"a": {"lognormal": {"median": 1, "sigma": 1}}, "b": {"fixed": 2}}
    problem = un.build_problem(
        {"schema": 1, "assumptions": laws}, model=lambda a, b: {"y": a * b}, evidence=evidence
    )
    target = in_float64(target_of)(problem, 1, 0)
    [at] = in_float64(lambda: [*batches_at(target, rng.normal(size=(2, target.size)), 0)])()
    rows, scores = at.rows[0][0], at.plain
    centers = scores[:, :1] + np.log(factors) + spread * scores[:, 1:]
    exact = stats.norm.logpdf(np.log(values), centers, sigma) - np.log(values)
    np.testing.assert_allclose(rows, exact, rtol=1e-9, atol=1e-9)
