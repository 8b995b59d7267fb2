"""What did a query of GPT-4 take on A100 and on H100 GPUs, and why do they differ? Printed and drawn."""

from pathlib import Path

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"


def main(folder=FIGURES / "gpt4_hardware", draws=None):
    """Print the parts of the ratio, draw the waterfall, say how much less the newer one takes."""
    problems = {name: un.build_problem("gpt-4", scenario=name) for name in ("a100", "h100")}
    table = un.compare(problems, draws=draws)
    parts = un.explain(*problems.values())
    for name in parts["input"].values:
        row = parts.sel(input=name)
        print(f"{name:30} x {float(row['factor']):.3g}   log {float(row['contribution']):.3g} "
              f"± {float(row['contribution_se']):.1g}")  # fmt: skip
    un.write_comparison(table, folder, png=True)
    un.write_explanation(parts, folder, png=True)
    un.write_provenance(table, folder, Path(__file__).name)
    row, old = (table.sel(scenario=name, statistic="typical") for name in ("h100", "a100"))
    ratio = [float(row[f"ratio_{key}"]) for key in ("median", "lower", "upper")]
    print(f"A typical query takes {float(old['median']):.2g} Wh on A100 (90 % interval, equal tails, "
          f"{float(old['lower']):.2g} to {float(old['upper']):.2g}), on H100 {ratio[0]:.2g} times that "
          f"({ratio[1]:.2g} to {ratio[2]:.2g}): {float(row['median']):.2g} Wh.")  # fmt: skip


if __name__ == "__main__":
    main()
