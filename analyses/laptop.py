"""Does a 30B model on a laptop take less than a frontier model in a datacenter? Printed and drawn."""

from pathlib import Path

import numpy as np

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
BATCHES = 2.0 ** np.arange(0, 14)


def break_even(ratios):
    """Batch at which the datacenter's energy over the laptop's, falling with the batch, is 1; none outside."""
    found = np.interp(0, -np.log(ratios), np.log(BATCHES), left=np.nan, right=np.nan)
    return float(np.exp(found))


def main(folder=FIGURES / "laptop", draws=2**12):
    """Print the chance by batch, draw both, say where they are even."""
    local = un.build_problem("laptop-30b")
    remote = {f"batch {batch:g}": un.build_problem("frontier-roofline", given={"batch_size": batch})
              for batch in BATCHES}  # fmt: skip
    found = un.compare({"laptop": local, **remote}, draws=draws).sel(statistic="typical")
    for name in remote:
        row = found.sel(scenario=name)
        print(f"{name:10}: the laptop takes less with a probability of "
              f"{float(row['chance_above']):.3f} ± {float(row['mcse_chance_above']):.1g}")  # fmt: skip
    ratios = found.sel(scenario=list(remote))
    even = [break_even(ratios[f"ratio_{key}"].values) for key in ("median", "lower", "upper")]
    table = un.sweep("frontier-roofline", "batch_size", BATCHES, draws=draws)
    laptop = un.summarize(un.simulate(local, draws), quantities=["energy_wh"])
    flat = table.copy(deep=True)
    for key in ("median", "lower", "upper"):
        flat[key][:] = float(laptop[key].sel(statistic="typical")[0])
    curves = {"frontier model in a datacenter": table, "30B model on a laptop": flat}
    un.write_sweep(curves, folder, marks={"medians even": even[0]}, png=True)
    un.write_provenance(table, folder, Path(__file__).name)
    print(f"Both take the same Wh at a batch of {even[0]:.2g} (90 % interval, equal tails, {min(even[1:]):.2g} to "
          f"{max(even[1:]):.2g}): below it size wins, above it batches do.")  # fmt: skip


if __name__ == "__main__":
    main()
