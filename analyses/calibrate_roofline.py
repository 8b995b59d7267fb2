"""What do measured runs teach about the efficiency of a roofline? Writes the calibrated prior file."""

import sys
from pathlib import Path

import uncertainty as un

FILE = "roofline-efficiency"


def main(draws=2000, target=Path("priors/roofline-calibrated.yaml"), folder=Path("figures/calibrate_roofline")):
    tree = un.infer(un.build_problem(FILE), draws=draws, warmup=1000)
    lost = un.export_priors(tree, target)
    written = un.write_posterior(tree, folder)
    fit = un.check_fit(tree)
    un.write_provenance(tree, folder, "analyses/calibrate_roofline.py")
    for name in fit["evidence"].values:
        row = fit.sel(evidence=name)
        print(
            f"{name}: {int(row.rows)} rows, log-RMSE {float(row.log_rmse):.2f}, "
            f"{100 * float(row.coverage.sel(prob=0.9)):.0f} % inside their 90 % interval"
        )
    energy = lost.sel(quantity="energy_wh")
    worst = max(abs(float(energy[key])) for key in ("median", "lower", "upper"))
    print(f"{target}: the file's quantiles of energy_wh differ from the posterior's by at most {100 * worst:.1f} %")
    row = un.summarize(tree).sel(quantity="energy_wh", statistic="typical")
    print(
        f"At its own conditions a query takes {float(row['median']):.3f} Wh "
        f"(90 % interval {float(row.lower):.3f} to {float(row.upper):.3f}); {len(written)} files in {folder}"
    )


if __name__ == "__main__":
    sys.exit(main())
