"""How much of a fleet's energy is training, and what do a billion queries a day add up to? Printed and drawn."""

from pathlib import Path

import numpy as np

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
SHOWN = (
    "fleet_power_mw",
    "training_wh_per_query",
    "training_share",
    "co2e_g",
    "embodied_co2e_g",
    "water_ml",
)
QUERIES = np.geomspace(1e7, 1e10, 10)


def main(folder=FIGURES / "fleet_share", draws=None):
    """Print the fleet's figures, draw the share of training, say its interval."""
    tree = un.simulate(un.build_problem("fleet"), draws)
    table = un.summarize(tree, quantities=["energy_wh", *SHOWN]).sel(statistic="mean")
    for name in ("energy_wh", *SHOWN):
        row = table.sel(quantity=name)
        told = f"{float(row['median']):.3g} ± {float(row['mcse_median']):.1g} {row['units'].item()}"
        print(f"{name:24} {told:>26}   {float(row['lower']):.3g} to {float(row['upper']):.3g}")
    by_size = un.sweep("fleet", "queries_per_day", QUERIES, quantities=["training_share"],
                       statistic="mean", draws=draws or 2**12)  # fmt: skip
    un.write_sweep({"share of training": by_size}, folder, quantity="training_share", png=True)
    un.write_provenance(tree, folder, Path(__file__).name)
    share, wh = (table.sel(quantity=name) for name in ("training_share", "training_wh_per_query"))
    print(f"Training is {float(share['median']):.0%} of a fleet's energy (90 % interval, equal tails, "
          f"{float(share['lower']):.0%} to {float(share['upper']):.0%}): {float(wh['median']):.2g} "
          f"({float(wh['lower']):.2g} to {float(wh['upper']):.2g}) Wh for each query.")  # fmt: skip


if __name__ == "__main__":
    main()
