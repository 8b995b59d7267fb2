"""Does a mixture of experts take less than a dense model with as many active parameters? Printed and drawn."""

from pathlib import Path

import numpy as np

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
BATCHES = 4.0 ** np.arange(0, 7)
SAME_TOTAL = "300e9 in all, 30e9 active"
DESIGNS = {
    SAME_TOTAL: {"active_parameters": 3e10, "moe_ratio": 10},
    "dense, 30e9": {"active_parameters": 3e10, "moe_ratio": 1},
    "dense, 300e9": {"active_parameters": 3e11, "moe_ratio": 1},
}


def main(folder=FIGURES / "moe_dense", draws=2**12):
    """Print and draw all three over batches; say what the mixture saves at a batch of 64."""
    tables = {
        label: un.sweep("frontier-roofline", "batch_size", BATCHES, given=given, draws=draws)
        for label, given in DESIGNS.items()
    }
    print(f"{'batch':>6} " + " ".join(f"{label:>26}" for label in DESIGNS) + "   (median Wh)")
    for batch in BATCHES:
        rows = [table.sel(batch_size=batch, quantity="energy_wh") for table in tables.values()]
        cells = [f"{float(r['median']):.3g} ± {float(r['mcse_median']):.1g}" for r in rows]
        print(f"{batch:6.0f} " + " ".join(f"{cell:>26}" for cell in cells))
    un.write_sweep(tables, folder, png=True)
    un.write_provenance(tables[SAME_TOTAL], folder, Path(__file__).name)
    problems = {
        label: un.build_problem("frontier-roofline", given={**given, "batch_size": 64})
        for label, given in DESIGNS.items()
    }
    found = un.compare(problems, draws=draws).sel(statistic="typical")
    ends = [[float(found.sel(scenario=name)[f"ratio_{key}"]) for key in ("median", "lower", "upper")]
            for name in list(DESIGNS)[1:]]  # fmt: skip
    print("At a batch of 64, in Wh and times the mixture (90 % intervals, equal tails): as many active parameters "
          f"and dense {ends[0][0]:.2g} ({ends[0][1]:.2g} to {ends[0][2]:.2g}), as many in all and dense "
          f"{ends[1][0]:.2g} ({ends[1][1]:.2g} to {ends[1][2]:.2g}).")  # fmt: skip


if __name__ == "__main__":
    main()
