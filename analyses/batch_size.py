"""How does the energy of a token fall with the batch? Two regimes, and where they meet."""

from pathlib import Path

import numpy as np

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
BATCHES = 2.0 ** np.arange(0, 14)
OUTPUTS = ("gpu_energy_per_output_token_j", "utilization", "memory_bound")


def main(folder=FIGURES / "batch_size", draws=2**12):
    """Print the table, draw the curves, say what a batch of 64 takes."""
    scenarios = {"mixture of experts": None, "dense": "dense"}
    tables = {
        label: un.sweep("frontier-roofline", "batch_size", BATCHES, quantities=OUTPUTS,
                        scenario=name, draws=draws)
        for label, name in scenarios.items()
    }  # fmt: skip
    print(f"{'':20} {'batch':>6} {'J/token, median':>16} {'utilization':>12} {'memory-bound':>13}")
    for label, table in tables.items():
        for batch in BATCHES:
            row = table.sel(batch_size=batch)
            told = [float(row["median"].sel(quantity=name)) for name in OUTPUTS]
            error = float(row["mcse_median"].sel(quantity=OUTPUTS[0]))
            figure = f"{told[0]:.3g} ± {error:.1g}"
            print(f"{label:20} {batch:6.0f} {figure:>16} {told[1]:12.3g} {told[2]:13.2f}")
    un.write_sweep(tables, folder, quantity=OUTPUTS[0], png=True)
    un.write_provenance(tables["dense"], folder, Path(__file__).name)
    one, many = (
        tables["mixture of experts"].sel(batch_size=b, quantity=OUTPUTS[0]) for b in (1, 64)
    )
    fall = float(one["median"] / many["median"])
    print(f"From one sequence to 64 the median falls {fall:.3g} times, to {float(many['median']):.2g} J a token "
          f"(90 % interval, equal tails, {float(many['lower']):.2g} to {float(many['upper']):.2g}), that is "
          f"{float(many['median']) / 3.6:.2g} Wh for 1000 tokens at the GPU boards.")  # fmt: skip


if __name__ == "__main__":
    main()
