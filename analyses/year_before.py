"""How could a prompt take 33 times less than a year before, and why is 3 Wh ten times 0.3 Wh? Printed and drawn."""

from pathlib import Path

import numpy as np

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"


def show(title, parts):
    """Print a split ratio."""
    print(f"{title}: a factor of {float(np.exp(parts['log_ratio'])):.3g}")
    for name in parts["input"].values:
        row = parts.sel(input=name)
        error = float(row["contribution_se"])
        print(
            f"  {name:24} x {float(row['factor']):<8.3g} log {float(row['contribution']):.3g} ± {error:.1g}"
        )


def main(folder=FIGURES / "year_before", draws=None):
    """Print both splits, draw their waterfalls, say how sure the factor of a year is."""
    then, now = (un.build_problem("gemini-like", scenario=name) for name in ("year_before", None))
    epoch, devries = (un.build_problem(name) for name in ("epoch", "de-vries"))
    year, factor_ten = un.explain(then, now), un.explain(epoch, devries)
    show("A year", year)
    show("Epoch to de Vries", factor_ten)
    un.write_explanation(year, folder, png=True)
    un.write_explanation(factor_ten, folder / "de_vries", png=True)
    table = un.compare({"now": now, "then": then}, draws=draws)
    un.write_comparison(table, folder, png=True)
    un.write_provenance(table, folder, Path(__file__).name)
    row = table.sel(scenario="then", statistic="typical")
    ends = [float(row[f"ratio_{key}"]) for key in ("median", "lower", "upper")]
    print(f"With the stated changes a prompt took {ends[0]:.2g} times the Wh a year before (90 % interval, equal "
          f"tails, {ends[1]:.2g} to {ends[2]:.2g}).")  # fmt: skip


if __name__ == "__main__":
    main()
