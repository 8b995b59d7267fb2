"""What do measured runs teach about the efficiency of a roofline? Writes roofline-calibrated.yaml."""

from pathlib import Path

import uncertainty as un

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "figures" / "calibrate_roofline"


def main(folder=FOLDER, draws=4000, target=None):
    """Infer, export, draw; `draws` are those of each of four chains."""
    target = target or folder / "roofline-calibrated.yaml"
    tree = un.infer(un.build_problem("roofline-efficiency"), draws=draws)
    lost = un.export_priors(tree, target).sel(quantity="energy_wh")
    un.write_posterior(tree, folder, png=True)
    un.write_provenance(tree, folder, Path(__file__).name)
    fit = un.check_fit(tree)
    for name in fit["evidence"].values:
        row = fit.sel(evidence=name)
        inside = 100 * float(row["coverage"].sel(prob=0.9))
        print(
            f"{name}: {int(row['rows'])} rows, log-RMSE {float(row['log_rmse']):.2f}, {inside:.0f} % in 90 %"
        )
    worst = max(abs(float(lost[key])) for key in ("median", "lower", "upper"))
    print(f"{target.name}: quantiles of energy_wh within {100 * worst:.1f} % of the posterior's")
    row = un.summarize(tree).sel(quantity="energy_wh", statistic="typical")
    print(f"At the file's own conditions a query takes {float(row['median']):.2g} Wh "
          f"(90 % interval {float(row['lower']):.2g} to {float(row['upper']):.2g} Wh, equal tails).")  # fmt: skip


if __name__ == "__main__":
    main(target=ROOT / "priors" / "roofline-calibrated.yaml")
