"""Published estimates beside ours, all at the facility: which can be true together? Printed and drawn."""

import csv
import math
from pathlib import Path

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
# Published figures of one query in Wh: a point is a range of one number. What the range is, and at which
# boundary it was stated, are columns; `source` is a key of priors/sources.bib.
PUBLISHED = list(csv.DictReader(Path(__file__).with_suffix(".csv").read_text().splitlines()))
# What is missing up to the facility is taken from the priors of every shipped file.
MISSING = {"gpu_board": ("host", "idle", "pue"), "node": ("idle", "pue")}
OURS = ("gpt-4o", "gemini-like", "frontier-moe", "reasoning-model")


def stated(row):
    """A published range as a problem at the facility: anything in it is as likely as anything else."""
    low, high = float(row["low"]), float(row["high"])
    law = {"fixed": low} if low == high else {"loguniform": {"low": low, "high": high}}
    ratios = MISSING.get(row["boundary"], ())
    prior = (
        {"schema": 1, "title": "Published", "extends": "base/datacenter"}
        if ratios
        else {"schema": 1}
    )

    def at_facility(wh, host=1.0, idle=1.0, pue=1.0):
        around = {"host": host, "idle": idle, "pue": pue}
        return {"energy_wh": wh * math.prod(around[name] for name in ratios)}

    return un.build_problem(
        {**prior, "assumptions": {"wh": {**law, "unit": "Wh"}}}, model=at_facility
    )


def main(folder=FIGURES / "published", draws=2**12):
    """Print and draw all; say how many published figures our interval for GPT-4o holds."""
    # As many draws as `run` takes: their chains come with the package.
    ours = {name: un.infer(un.build_problem(name), 4000, prior_draws=draws) for name in OURS}
    trees = {**ours, **{row["name"]: un.simulate(stated(row), draws) for row in PUBLISHED}}
    table = un.summarize_scenarios(trees, quantity="energy_wh")
    for name in trees:
        row = table.sel(scenario=name, statistic="mean")
        print(f"{name:46} {float(row['lower']):7.3g} to {float(row['upper']):.3g} Wh")
    un.write_comparison(table, folder, png=True)
    un.write_provenance(ours["gpt-4o"], folder, Path(__file__).name)
    row = table.sel(scenario="gpt-4o", statistic="mean")
    low, high = float(row["lower"]), float(row["upper"])
    ends = {row["name"]: table.sel(scenario=row["name"], statistic="mean") for row in PUBLISHED}
    inside = [
        name
        for name, own in ends.items()
        if float(own["lower"]) <= high and float(own["upper"]) >= low
    ]
    print(f"The mean query of GPT-4o takes {low:.2g} to {high:.2g} Wh (90 % interval, equal tails); of "
          f"{len(PUBLISHED)} published figures or ranges {len(inside)} meet it: {', '.join(inside)} (in Wh).")  # fmt: skip


if __name__ == "__main__":
    main()
