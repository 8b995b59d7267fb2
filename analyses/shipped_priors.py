"""What do the shipped priors say? One line for each file, and the pages of one of them."""

from pathlib import Path

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
FILES = [
    "gpt-4o-mini", "gemini-like", "gpt-4o", "open-llama-70b", "frontier-moe", "reasoning-model",
    "long-document",
]  # fmt: skip
DRAWN = "gpt-4o"


def told(row, key):
    """A figure with its Monte Carlo standard error."""
    return f"{float(row[key]):.3g} ± {float(row[f'mcse_{key}']):.1g}"


def main(folder=FIGURES / "shipped_priors", draws=None):
    """Print the intervals; draw the assumptions and the scenarios of one file."""
    print(f"{'file':16} {'statistic':9} {'median':>16} {'90 % interval, equal tails (Wh)':>36}")
    for name in FILES:
        tree = un.simulate(un.build_problem(name), draws)
        table = un.summarize(tree, prob=0.9, quantities=["energy_wh"]).isel(quantity=0)
        for statistic in ("typical", "mean"):
            row = table.sel(statistic=statistic)
            ends = f"{told(row, 'lower')} to {told(row, 'upper')}"
            print(f"{name:16} {statistic:9} {told(row, 'median'):>16} {ends:>36}")
    stated = un.build_problem(DRAWN)
    problems = {name: un.build_problem(DRAWN, scenario=name) for name in stated.priors.scenarios}
    trees = {name: un.simulate(p, draws) for name, p in {"as stated": stated, **problems}.items()}
    un.write_assumptions(trees["as stated"], folder, png=True)
    un.write_scenarios(trees, folder, png=True)
    un.write_provenance(trees["as stated"], folder, Path(__file__).name)
    ratios = un.summarize_scenarios(trees)["ratio_median"].sel(statistic="typical")
    print(f"Against {DRAWN} as stated, a typical query takes "
          + ", ".join(f"{float(r):.2g} times the Wh in {r['scenario'].item()}" for r in ratios[1:]) + " (medians; intervals above).")  # fmt: skip


if __name__ == "__main__":
    main()
