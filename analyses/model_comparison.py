"""Which model fits measured runs best? Arithmetic, a roofline, and one throughput for all."""

import warnings
from pathlib import Path

from ruamel.yaml import YAML

import uncertainty as un

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "figures" / "model_comparison"
RUNS = ROOT / "priors" / "evidence" / "mlenergy-chat.yaml"
# What no run had, and only the roofline knows.
DRAFTS = {"acceptance", "draft_parameters", "speculative_tokens", "kv_bytes_per_value", "prefill_gpu_count"}  # fmt: skip
# What a model cannot be told of a run; errors of runs and of models are the same for all.
UNKNOWN = {
    "roofline": set(),
    "flops": {"gpu_count", "batch_size", "total_parameters", "occupancy", *DRAFTS},
    "throughput": {"active_parameters", "total_parameters", "batch_size", "occupancy", "input_tokens",
                   "cached_share", "attention_factor", "cache_hit_cost", "steps_per_session", *DRAFTS},
}  # fmt: skip
# What it needs to be told instead: the same for all runs, to be learned.
NEEDED = {
    "utilization": {"lognormal": {"p5": 0.003, "p95": 0.4}, "truncate": {"high": 1}, "unit": "fraction"},
    "power_fraction": {"beta": {"p5": 0.35, "p95": 0.95}, "unit": "fraction"},
    "tokens_per_s": {"lognormal": {"p5": 100, "p95": 30000}, "unit": "tokens/s"},
}  # fmt: skip
INPUTS = {
    "roofline": (),
    "flops": ("utilization", "power_fraction"),
    "throughput": ("tokens_per_s", "power_fraction"),
}


def runs_for(model):
    """The runs as this model takes them."""
    file = YAML(typ="safe", pure=True).load(RUNS)
    kept = [i for i, column in enumerate(file["columns"]) if column not in UNKNOWN[model]]
    rows = {
        "columns": [file["columns"][i] for i in kept],
        "rows": [[row[i] for i in kept] for row in file["rows"]],
    }
    conditions = {k: v for k, v in file["conditions"].items() if k not in UNKNOWN[model]}
    return {**file, **rows, "conditions": conditions, "model": model}


def fitted(model, draws):
    """Posterior of one model."""
    priors = {"schema": 1, "extends": "roofline-efficiency", "model": model,
              "assumptions": {name: NEEDED[name] for name in INPUTS[model]}}  # fmt: skip
    with warnings.catch_warnings():
        # That one number for all runs does not expect them is what is shown here.
        warnings.filterwarnings("ignore", "rows .* lie together")
        return un.infer(un.build_problem(priors, evidence=runs_for(model)), draws=draws)


def main(folder=FOLDER, draws=1000):
    """Infer, compare, draw; `draws` are those of each of four chains."""
    fits = {model: fitted(model, draws) for model in UNKNOWN}
    comparison = un.compare_fits(fits)
    un.write_fits(comparison, folder, png=True)
    for model in comparison["fit"].values:
        row, check = comparison.sel(fit=model), un.check_fit(fits[model]).isel(evidence=0)
        print(f"{model:10} log-RMSE {float(check['log_rmse']):.2f}, log density of rows left out {float(row['elpd_loo']):.1f}, "
              f"{float(row['elpd_difference']):.1f} ± {float(row['elpd_difference_se']):.1f} from the best, "
              f"largest Pareto k {float(row['worst_k']):.2f}")  # fmt: skip
    best = str(comparison["fit"].values[0])
    un.write_provenance(fits[best], folder, Path(__file__).name)
    row = un.summarize(fits[best]).sel(quantity="energy_wh", statistic="typical")
    print(f"The {best} expects {float(row['median']):.2g} Wh at its file's conditions "
          f"(90 % interval {float(row['lower']):.2g} to {float(row['upper']):.2g} Wh, equal tails).")  # fmt: skip


if __name__ == "__main__":
    main()
