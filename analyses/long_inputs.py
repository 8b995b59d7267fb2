"""What does a long input cost, and from which length does attention cost more than parameters? Printed and drawn."""

from pathlib import Path

import numpy as np

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
LENGTHS = np.geomspace(1, 1e6, 19)
PARTS = ("energy_wh_prefill_weights", "energy_wh_prefill_attention")
# Of the arithmetic, which tells the parts: what multiplies both cancels in their ratio.
PLAIN = {"utilization": 0.1, "power_fraction": 0.7}


def crossover(draws):
    """Tokens at which attention equals parameters in prefill: median and 90 % interval.

    The parts grow with the length and with its square, so their ratio at one length tells it.
    """
    at = 1e5
    given = {"input_tokens": {"fixed": at}, **PLAIN}
    problem = un.build_problem("gpt-4o", model="flops", given=given, evidence=[])
    tree = un.simulate(problem, draws)
    weights, attention = (tree["prior_predictive"][name].values.ravel() for name in PARTS)
    return np.quantile(at * weights / attention, (0.5, 0.05, 0.95))


def main(folder=FIGURES / "long_inputs", draws=2**12):
    """Print the table, draw the curve, say where attention takes over."""
    table = un.sweep("gpt-4o", "input_tokens", LENGTHS, draws=draws)
    print(f"{'input tokens':>12} {'typical query (Wh), median':>28} {'90 % interval':>24}")
    for length in LENGTHS[::3]:
        row = table.sel(input_tokens=length, quantity="energy_wh")
        told = f"{float(row['median']):.3g} ± {float(row['mcse_median']):.1g}"
        print(f"{length:12.0f} {told:>28} {float(row['lower']):11.3g} to {float(row['upper']):.3g}")
    middle, low, high = crossover(draws)
    un.write_sweep(
        {"GPT-4o": table}, folder, marks={"attention equals parameters": middle}, png=True
    )
    un.write_provenance(table, folder, Path(__file__).name)
    ends = [float(table.sel(quantity="energy_wh")[key].sel(input_tokens=1e4, method="nearest"))
            for key in ("lower", "upper")]  # fmt: skip
    print(f"Attention costs more than parameters beyond {middle:,.0f} tokens of input (90 % interval, equal "
          f"tails, {low:,.0f} to {high:,.0f}); 10,000 tokens take {ends[0]:.2g} to {ends[1]:.2g} Wh.")  # fmt: skip


if __name__ == "__main__":
    main()
