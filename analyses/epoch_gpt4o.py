"""Does the flops model reproduce Epoch's published figures for GPT-4o? Prints each claim."""

from pathlib import Path

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
CLAIMS = [f"E{i}" for i in (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15)]


def main(folder=FIGURES / "epoch_gpt4o", draws=None):
    """Print the table, and the interval of GPT-4o with its figures."""
    for found in un.check_ledger(only=CLAIMS):
        told = "; ".join(f"{value:.4g}" for value in found.computed)
        print(f"{found.id:4} {found.expected:46} {told:28} {'holds' if found.holds else 'FAILS'}")
    problem = un.build_problem("gpt-4o")
    tree = un.simulate(problem, draws)
    un.write_report(tree, folder, ranking=un.rank_inputs(problem, by="block"), png=True)
    un.write_provenance(tree, folder, Path(__file__).name)
    row = un.summarize(tree, quantities=["energy_wh"]).isel(quantity=0).sel(statistic="typical")
    place = "inside" if row["lower"] <= 0.3 <= row["upper"] else "outside"
    print(f"Under the shipped priors a typical query takes {row['median']:.2g} Wh (90 % interval, equal "
          f"tails, {row['lower']:.2g} to {row['upper']:.2g} Wh); Epoch's 0.3 Wh lies {place}.")  # fmt: skip


if __name__ == "__main__":
    main()
