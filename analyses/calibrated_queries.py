"""What do five kinds of query take, before and after measured efficiency? Beside published figures."""

from pathlib import Path

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
DESCRIBED = ("gpt-4o", "frontier-moe", "small-dense", "reasoning-model", "gemini-like")
# Published figures in Wh at the facility, with the source's key in priors/sources.bib: never evidence.
PUBLISHED = {
    "Google, median prompt": (0.24, "google2025"),
    "Oviedo et al., median": (0.31, "oviedo2026"),
    "Altman, average query": (0.34, "altman2025"),
}


def stated(wh):
    """A published figure as a problem."""
    law = {"fixed": wh, "unit": "Wh"}
    return un.build_problem(
        {"schema": 1, "title": "Published", "assumptions": {"wh": law}}, model=at_facility
    )


def at_facility(wh):
    """The quantity that our files give."""
    return {"energy_wh": wh}


def main(folder=FIGURES / "calibrated_queries", draws=2**12):
    """Print and draw."""
    trees = {}
    for name in DESCRIBED:
        problem = un.build_problem(name)
        trees[f"{name}, assumed"] = un.simulate(problem, draws)
        # As many draws as `run` takes: their chains come with the package.
        trees[f"{name}, calibrated"] = un.infer(problem, 4000, prior_draws=draws)
    trees |= {name: un.simulate(stated(wh), draws) for name, (wh, _) in PUBLISHED.items()}
    table = un.summarize_scenarios(trees, quantity="energy_wh")
    for name in trees:
        row = table.sel(scenario=name, statistic="typical")
        print(f"{name:36} {float(row['lower']):7.3g} to {float(row['upper']):.3g} Wh")
    un.write_comparison(table, folder, png=True)
    un.write_provenance(trees["gpt-4o, calibrated"], folder, Path(__file__).name)
    row = table.sel(scenario="gpt-4o, calibrated", statistic="typical")
    print(f"A typical GPT-4o-like query takes {float(row['median']):.2g} Wh (90 % interval "
          f"{float(row['lower']):.2g} to {float(row['upper']):.2g} Wh, equal tails).")  # fmt: skip


if __name__ == "__main__":
    main()
