"""What does reasoning cost, and when do a small model's extra tokens eat what it saves? Printed and drawn."""

from pathlib import Path

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
FILES = ("gpt-4o", "reasoning-model", "gpt-4o-mini")


def told(row, key):
    """Median and interval of a relation."""
    middle, error = float(row[f"{key}_median"]), float(row[f"mcse_{key}_median"])
    return f"{middle:.3g} ± {error:.1g} ({float(row[f'{key}_lower']):.2g} to {float(row[f'{key}_upper']):.2g})"


def main(folder=FIGURES / "reasoning", draws=None):
    """Print the ratios, draw the intervals, say the break-even multiplier."""
    problems = {name: un.build_problem(name) for name in FILES}
    table = un.compare(problems, draws=draws)
    print(f"{'':18} {'typical query, times gpt-4o (90 % interval, equal tails)':>56}")
    for name in FILES[1:]:
        print(f"{name:18} {told(table.sel(scenario=name, statistic='typical'), 'ratio'):>56}")
    un.write_comparison(table, folder, png=True)
    un.write_provenance(table, folder, Path(__file__).name)
    small = un.compare({"small": problems["gpt-4o-mini"], "large": problems["gpt-4o"]}, draws=draws)
    row = small.sel(scenario="large", statistic="typical")
    reasoning = table.sel(scenario="reasoning-model", statistic="typical")
    print(f"A reasoning model's typical query takes {told(reasoning, 'difference')} Wh more than GPT-4o's; a small "
          f"model that writes {told(row, 'ratio')} times as many tokens (90 % interval, equal tails) saves no Wh.")  # fmt: skip


if __name__ == "__main__":
    main()
