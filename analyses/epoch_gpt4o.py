"""Does the flops model reproduce Epoch's published figures for GPT-4o? Prints each claim."""

import json
from pathlib import Path

import uncertainty as un

FIGURES = Path(__file__).parents[1] / "figures"
EPOCH = {
    "active_parameters": 100e9, "output_tokens": 500, "input_tokens": 0, "utilization": 0.1,
    "peak_flops": "989 TFLOP/s", "gpu_power_w": "1500 W", "power_fraction": 0.7, "overhead": 1,
    "layers": 0,
}  # fmt: skip
SHEET = {"gpu_power_w": "1275 W", "overhead": 1.2}
DARK = {**SHEET, "active_parameters": 200e9, "utilization": 0.05, "overhead": 1.3}
LONG = {"prefill_utilization": 0.5, "prefill_power_fraction": 1, "attention_factor": 1}
HOUSEHOLD_KWH_PER_YEAR = 10_500


def energy_wh(**changes):
    """Wh of one query; the text's short-input figures leave attention out (no layers)."""
    stated = {name: value for name, value in {**EPOCH, **changes}.items() if value is not None}
    assumptions = {name: {"fixed": value} for name, value in stated.items()}
    problem = un.build_problem({"schema": 1, "assumptions": assumptions}, "flops")
    return problem.central()["energy_wh"]


def rows():
    """Each claim: id, in words, lowest and highest value that bear it out, computed value, unit."""
    long = {n: energy_wh(**LONG, input_tokens=n, layers=None) for n in (1e4, 1e5, 1e6)}
    tokens = {n: energy_wh(output_tokens=n) for n in (540, 1350)}
    day_kwh = HOUSEHOLD_KWH_PER_YEAR / 365
    return [
        ("E1", "500 tokens of a 100B model at 10 % utilization", 0.2945, 0.2955, energy_wh(), "Wh"),
        ("E2", "the same at full utilization and power", 0.041, 0.0425, energy_wh(utilization=1, power_fraction=1), "Wh"),
        ("E3", "published sheet, base case", 0.3005, 0.3015, energy_wh(**SHEET), "Wh"),
        ("E3", "published sheet, 1500 tokens", 0.9015, 0.9025, energy_wh(**SHEET, output_tokens=1500), "Wh"),
        ("E3", "published sheet, 20B", 0.0595, 0.0605, energy_wh(**SHEET, active_parameters=20e9), "Wh"),
        ("E4", "pessimistic: 200B, 5 % utilization, PUE 1.3", 1.3035, 1.3045, energy_wh(**DARK), "Wh"),
        ("E4", "pessimistic, 1500 tokens", 3.9105, 3.9115, energy_wh(**DARK, output_tokens=1500), "Wh"),
        ("E5", "10k tokens of input", 2.1, 2.6, long[1e4], "Wh"),
        ("E6", "100k tokens of input", 38, 42, long[1e5], "Wh"),
        ("E7", "1M against 100k tokens of input", 50, 100, long[1e6] / long[1e5], "times"),
        ("E12", "total over active, Mixtral 8x22B (141B, 39B)", 3.55, 3.65, 141 / 39, "times"),
        ("E12", "total over active, DeepSeek-V3 (671B, 37B)", 18.05, 18.2, 671 / 37, "times"),
        ("E13", "2.5 times the tokens to reason", 2.4999, 2.5001, tokens[1350] / tokens[540], "times"),
        ("E15", "a US household's day", 28.7, 28.85, day_kwh, "kWh"),
        ("E15", "0.3 Wh as a share of that day", 1.0e-5, 1.1e-5, 0.3e-3 / day_kwh, ""),
    ]  # fmt: skip


def main(folder=FIGURES / "epoch_gpt4o"):
    """Print the table, and the interval of GPT-4o with its figures."""
    print(f"{'id':4} {'claim':48} {'expected':>18} {'computed':>10}  holds")
    for name, claim, low, high, computed, unit in rows():
        expected = f"{low:g} to {high:g} {unit}"
        print(f"{name:4} {claim:48} {expected:>18} {computed:10.4g}  {low <= computed <= high}")
    problem = un.build_problem("gpt-4o")
    tree = un.simulate(problem)
    un.write_report(tree, folder, ranking=un.rank_inputs(problem, by="block"))
    facts = {key: tree.attrs[key] for key in ("priors", "priors_sha256", "seed", "versions")}
    facts["script"] = Path(__file__).name
    (folder / "provenance.json").write_text(json.dumps(facts, indent=1))
    row = un.summarize(tree, quantities=["energy_wh"]).isel(quantity=0).sel(statistic="typical")
    place = "inside" if row["lower"] <= 0.3 <= row["upper"] else "outside"
    print(f"Under the shipped priors a typical query takes {row['median']:.2g} Wh (90 % interval, equal "
          f"tails, {row['lower']:.2g} to {row['upper']:.2g} Wh); Epoch's 0.3 Wh lies {place}.")  # fmt: skip


if __name__ == "__main__":
    main()
