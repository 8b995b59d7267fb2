"""Published estimates beside ours, all at the facility: which can be true together? Printed and drawn."""

from pathlib import Path

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
# Published ranges in Wh at the facility for one chat query of a GPT-4o-like or Gemini-like model:
# a point is a range of one number. Statistics differ (median, mean, a set length), as each
# name says. The last is the source's key in priors/sources.bib.
PUBLISHED = {
    "Epoch AI, 500 tokens": (0.30, 0.30, "epoch2025"),
    "de Vries 2023": (3.0, 3.0, "devries2023"),
    "Google, median prompt": (0.24, 0.24, "google2025"),
    "Altman, average query": (0.34, 0.34, "altman2025"),
    "EcoLogits, 500 tokens": (1.06, 1.92, "ecologits2025"),
    "ecocost, 500 tokens": (0.07, 1.01, "ecocost"),
    "Jegham et al., 300 tokens": (0.42, 0.42, "jegham2025"),
}
OURS = ("gpt-4o", "gemini-like", "frontier-roofline", "frontier-moe")


def stated(low, high):
    """A published range as a problem: anything in it is as likely as anything else."""
    law = {"fixed": low} if low == high else {"loguniform": {"low": low, "high": high}}
    assumptions = {"wh": {**law, "unit": "Wh"}}
    return un.build_problem(
        {"schema": 1, "title": "Published", "assumptions": assumptions}, model=at_facility
    )


def at_facility(wh):
    """The quantity that our files give."""
    return {"energy_wh": wh}


def main(folder=FIGURES / "published", draws=2**12):
    """Print and draw all; say how many published figures our interval for GPT-4o holds."""
    ours = {name: un.simulate(un.build_problem(name), draws) for name in OURS}
    trees = {**ours, **{n: un.simulate(stated(*ends[:2]), draws) for n, ends in PUBLISHED.items()}}
    table = un.summarize_scenarios(trees, quantity="energy_wh")
    for name in trees:
        row = table.sel(scenario=name, statistic="mean")
        print(f"{name:28} {float(row['lower']):7.3g} to {float(row['upper']):.3g} Wh")
    un.write_comparison(table, folder, png=True)
    un.write_provenance(ours["gpt-4o"], folder, Path(__file__).name)
    row = table.sel(scenario="gpt-4o", statistic="mean")
    low, high = float(row["lower"]), float(row["upper"])
    inside = [name for name, (start, end, _) in PUBLISHED.items() if start <= high and end >= low]
    print(f"The mean query of GPT-4o takes {low:.2g} to {high:.2g} Wh (90 % interval, equal tails); of "
          f"{len(PUBLISHED)} published figures or ranges {len(inside)} meet it: {', '.join(inside)} (in Wh).")  # fmt: skip


if __name__ == "__main__":
    main()
