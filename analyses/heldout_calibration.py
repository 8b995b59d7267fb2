"""Can the intervals be believed? Each model's runs are predicted from those of all other models.

`--data CSV` predicts the chat and reasoning runs of a table in ML.ENERGY's format, else the shipped rows.
"""

# fmt: off
import argparse
import csv
import math
from pathlib import Path

import xarray as xr
from ruamel.yaml import YAML

import uncertainty as un

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "figures" / "heldout_calibration"
TASKS = {"lm-arena-chat": 750.0, "gpqa": 150.0}  # with the input tokens that fit each
BOARDS = {"H100": "h100-sxm", "B200": "b200"}
PEAKS = {"h100-sxm": (700, 989e12), "b200": (1000, 2250e12)}  # W, FLOP/s
MODELS = slice(None)

def shipped():
    """Evidence files as mappings: what is left out of them is given to `build_problem`."""
    files = [ROOT / "priors" / "evidence" / f"mlenergy-{name}.yaml" for name in ("chat", "reasoning")]
    return [YAML(typ="safe", pure=True).load(file) for file in files]

def rows_in(table):
    """Conditions and measurement of each run of a table; parameters are in billions there."""
    for run in csv.DictReader(Path(table).read_text().splitlines()):
        if run["task"] in TASKS:
            yield {
                "model_id": run["model_id"].split("/")[-1].lower(), "hardware": BOARDS[run["gpu_model"]],
                "active_parameters": 1e9 * float(run["activated_params_billions"]), "precision": run["weight_precision"],
                "total_parameters": 1e9 * float(run["total_params_billions"]), "gpu_count": float(run["num_gpus"]),
                "batch_size": max(1.0, float(run["avg_batch_size"])), "output_tokens": float(run["avg_output_len"]),
                "input_tokens": TASKS[run["task"]],
            }, float(run["energy_per_token_joules"])

def epoch(row):
    """Epoch's formula at the GPU boards: utilization 0.1, power fraction 0.7."""
    watts, flops = PEAKS[row["hardware"]]
    return 2 * row["active_parameters"] / (flops * 0.1) * watts * 0.7

def ecologits(row):
    """EcoLogits' formula: its fit at a batch of 64, for as many boards of 80 GB as hold the model."""
    boards = 2 ** math.ceil(math.log2(max(1, math.ceil(1.2 * 2 * row["total_parameters"] / 80e9))))
    return 3600 * boards * (1.1665e-6 * math.exp(-0.011206 * 64) * row["active_parameters"] / 1e9 + 4.0529e-5)

def main(folder=FOLDER, draws=500, data=None):
    """Predict, score, draw; `draws` are those of each of four chains."""
    files = shipped()
    cells = [dict(zip(f["columns"], row, strict=True)) | f["conditions"] for f in files for row in f["rows"]]
    own = [({k: v for k, v in row.items() if k != "value"}, float(row["value"])) for row in cells]
    measured, parts, kept = [*rows_in(data)] if data else own, [], []
    for model in sorted({row["model_id"] for row, _ in measured})[MODELS]:
        others = [{**file, "rows": [r for r in file["rows"] if r[0] != model]} for file in files]
        tree = un.infer(un.build_problem("roofline-efficiency", evidence=others), draws=draws)
        left_out = [pair for pair in measured if pair[0]["model_id"] == model]
        parts.append(un.predict(tree, [row for row, _ in left_out]))
        kept += left_out
    points = {"Epoch's formula": epoch, "EcoLogits' formula": ecologits}
    single = {k: xr.DataArray([[f(row) for row, _ in kept]], dims=("sample", "row")) for k, f in points.items()}
    scores = un.write_scores({"calibrated roofline": xr.concat(parts, "row"), **single}, [v for _, v in kept], folder, png=True)
    un.write_provenance(tree, folder, Path(__file__).name)
    print("log-RMSE:", ", ".join(f"{name} {x:.2f}" for name, x in scores["log_rmse"].to_series().items()))
    wide, narrow = (100 * float(scores["coverage"].sel(approach="calibrated roofline", prob=p)) for p in (0.9, 0.5))
    print(f"{len(kept)} runs: {wide:.0f} % lie in their 90 % interval, {narrow:.0f} % in their 50 % interval "
          "(J per token; 3600 J are 1 Wh).")

if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data")
    main(data=options.parse_args().data)
