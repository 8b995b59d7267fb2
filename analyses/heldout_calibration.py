"""Can the intervals be believed? Each model's runs are predicted from those of all other models.

`--data CSV` predicts the runs of a table in ML.ENERGY's format, else the shipped rows.
"""

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
JOULES = {"h100-sxm": 700 * 0.7 / 989e12, "b200": 1000 * 0.7 / 2250e12}  # per FLOP at full use
MODELS = slice(None)


def shipped():
    """Evidence files as mappings: what is left out of them is given to `build_problem`."""
    read = YAML(typ="safe", pure=True).load
    return [
        read(ROOT / "priors" / "evidence" / f"mlenergy-{name}.yaml")
        for name in ("chat", "reasoning")
    ]


def rows_of(files):
    """Conditions and measurement of each shipped row."""
    for file in files:
        for cells in file["rows"]:
            row = dict(zip(file["columns"], cells, strict=True)) | file["conditions"]
            yield {k: v for k, v in row.items() if k != "value"}, float(row["value"])


def rows_in(table):
    """Conditions and measurement of each chat or reasoning run of a table."""
    for run in csv.DictReader(Path(table).read_text().splitlines()):
        if run["task"] in TASKS:
            yield {
                "model_id": run["model_id"].split("/")[-1].lower(),
                "active_parameters": 1e9 * float(run["activated_params_billions"]),
                "total_parameters": 1e9 * float(run["total_params_billions"]),
                "hardware": BOARDS[run["gpu_model"]], "precision": run["weight_precision"],
                "gpu_count": float(run["num_gpus"]), "batch_size": max(1.0, float(run["avg_batch_size"])),
                "output_tokens": float(run["avg_output_len"]), "input_tokens": TASKS[run["task"]],
            }, float(run["energy_per_token_joules"])  # fmt: skip


def epoch(row):
    """Epoch's formula at the GPU boards: utilization 0.1, power fraction 0.7."""
    return 2 * row["active_parameters"] * JOULES[row["hardware"]] / 0.1


def ecologits(row):
    """EcoLogits' formula: its fit for a batch of 64, for as many 80 GB boards as hold the model."""
    boards = 2 ** math.ceil(math.log2(max(1, math.ceil(1.2 * 2 * row["total_parameters"] / 80e9))))
    per_board = 1.1665e-6 * math.exp(-0.011206 * 64) * row["active_parameters"] / 1e9 + 4.0529e-5
    return 3600 * boards * per_board


def main(folder=FOLDER, draws=500, data=None):
    """Predict, score, draw; `draws` are those of each of four chains."""
    files = shipped()
    measured = [*(rows_in(data) if data else rows_of(files))]
    parts, kept = [], []
    for model in sorted({row["model_id"] for row, _ in measured})[MODELS]:
        others = [{**file, "rows": [r for r in file["rows"] if r[0] != model]} for file in files]
        tree = un.infer(un.build_problem("roofline-efficiency", evidence=others), draws=draws)
        own = [pair for pair in measured if pair[0]["model_id"] == model]
        parts.append(un.predict(tree, [row for row, _ in own]))
        kept += own
    points = {"Epoch's formula": epoch, "EcoLogits' formula": ecologits}
    predictions = {"calibrated roofline": xr.concat(parts, "row")} | {
        name: xr.DataArray([[formula(row) for row, _ in kept]], dims=("sample", "row")) for name, formula in points.items()
    }  # fmt: skip
    scores = un.write_scores(predictions, [value for _, value in kept], folder)
    un.write_provenance(tree, folder, Path(__file__).name)
    for name in scores["approach"].values:
        print(f"{name}: log-RMSE {float(scores['log_rmse'].sel(approach=name)):.2f}")
    own = scores["coverage"].sel(approach="calibrated roofline")
    print(f"{len(kept)} runs: {100 * float(own.sel(prob=0.9)):.0f} % lie in their 90 % interval and "
          f"{100 * float(own.sel(prob=0.5)):.0f} % in their 50 % interval (J per token; 3600 J are 1 Wh).")  # fmt: skip


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data")
    main(data=options.parse_args().data)
