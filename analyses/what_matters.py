"""Which assumption is worth arguing about, and what would knowing it buy? For each kind of query."""

from pathlib import Path

import numpy as np

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
OWN = "gpt-4o"
QUERIES = np.array([OWN, "gpt-4o-mini", "gemini-like", "reasoning-model", "long-document",
                    "open-llama-70b", "frontier-moe", "frontier-roofline"])  # fmt: skip


def main(folder=FIGURES / "what_matters", draws=2**15):
    """Print the first three of each, draw all of one, say what to measure.

    `draws` are those of Sobol' indices and of value; Shapley effects take as many as they want.
    """
    print(f"{'query':18} Shapley shares of the variance of log Wh, typical query")
    for name in QUERIES:
        table = un.rank_inputs(un.build_problem(str(name)), method="shapley")
        first = (
            f"{table['input'].values[i]} {float(table['shapley'][i]):.2f}"
            f" ± {float(table['shapley_se'][i]):.1g}"
            for i in range(3)
        )
        print(f"{name:18} {', '.join(first)}")
    problem = un.build_problem(OWN)
    tree = un.simulate(problem, draws=min(draws, 2**13))
    points = {"shapley": None, "sobol": draws, "value": max(draws, 2**12), "tornado": None}
    tables = [
        un.rank_inputs(
            problem, method=method, draws=n, by="input" if method != "sobol" else "block"
        )
        for method, n in points.items()
    ]
    un.write_ranking(tables, folder, png=True)
    un.write_provenance(tree, folder, Path(__file__).name)
    worth, typical = tables[2], un.summarize(tree).sel(quantity="energy_wh", statistic="typical")
    best = worth.isel(input=0)
    print(f"Knowing {best['input'].item()} exactly would be expected to narrow the 90 % interval of a typical "
          f"{OWN} query, {float(typical['lower']):.2g} to {float(typical['upper']):.2g} Wh (equal tails), from a factor "
          f"of {float(worth['width_now']):.3g} to one of {float(best['width']):.3g} ± {float(best['width_se']):.1g}.")  # fmt: skip


if __name__ == "__main__":
    main()
