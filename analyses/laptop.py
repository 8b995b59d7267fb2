"""Does a 30B model on a laptop take less than a frontier model in a datacenter? Printed and drawn."""

from pathlib import Path

import numpy as np

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
BATCHES = 2.0 ** np.arange(0, 11)


def break_even(laptop, datacenter):
    """Batch at which a curve over batches, falling, meets a value; the ends of the range beyond."""
    return float(np.exp(np.interp(-np.log(laptop), -np.log(datacenter), np.log(BATCHES))))


def main(folder=FIGURES / "laptop", draws=2**12):
    """Print the chance by batch, draw both, say where they are even."""
    local = un.build_problem("laptop-30b")
    chances, ratios = [], []
    for batch in BATCHES:
        remote = un.build_problem("frontier-roofline", given={"batch_size": batch})
        pair = un.compare({"datacenter": remote, "laptop": local}, draws=draws)
        row = pair.sel(scenario="laptop", statistic="typical")
        chances.append((1 - float(row["chance_above"]), float(row["mcse_chance_above"])))
        ratios.append([float(row[f"ratio_{key}"]) for key in ("median", "lower", "upper")])
        print(f"batch {batch:5.0f}: the laptop takes less with a probability of "
              f"{chances[-1][0]:.3f} ± {chances[-1][1]:.1g}")  # fmt: skip
    even = [break_even(1, 1 / np.array(ends)) for ends in np.transpose(ratios)]
    table = un.sweep("frontier-roofline", "batch_size", BATCHES, draws=draws)
    laptop = un.summarize(un.simulate(local, draws), quantities=["energy_wh"])
    flat = table.copy(deep=True)
    for key in ("median", "lower", "upper"):
        flat[key][:] = float(laptop[key].sel(statistic="typical")[0])
    curves = {"frontier model in a datacenter": table, "30B model on a laptop": flat}
    un.write_sweep(curves, folder, marks={"medians even": even[0]})
    un.write_provenance(table, folder, Path(__file__).name)
    print(f"Both take the same Wh at a batch of {even[0]:.2g} (90 % interval, equal tails, {min(even[1:]):.2g} to "
          f"{max(even[1:]):.2g}, within the {BATCHES[0]:.0f} to {BATCHES[-1]:.0f} looked at): below it size wins, "
          "above it batches do.")  # fmt: skip


if __name__ == "__main__":
    main()
