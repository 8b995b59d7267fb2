"""Can intervals be believed? Models, and whole benchmarks, of the shipped rows or of tables (`--data CSV ...`), are left out."""

# fmt: off
import csv
import math
import sys
from pathlib import Path

import xarray as xr

import uncertainty as un

FOLDER = Path(__file__).parents[1] / "figures" / "heldout_calibration"
BENCHMARKS = {"mlenergy-chat": "v3", "mlenergy-reasoning": "v3", "mlenergy-2024": "v2", "powerx": "PowerX"}
TASKS = {"lm-arena-chat": "mlenergy-chat", "gpqa": "mlenergy-reasoning", "chat": "mlenergy-2024", None: "powerx"}
BOARDS = {"A100": "a100-sxm-40gb", "H100": "h100-sxm", "B200": "b200"}
JOULES_PER_FLOP = {"a100-sxm-40gb": 400 / 312e12, "h100-sxm": 700 / 989e12, "b200": 1000 / 2250e12}
MODELS = slice(None)

def cells_of(name, file):
    """Benchmark, conditions and J per output token of each shipped row."""
    for cells in (file["conditions"] | dict(zip(file["columns"], row, strict=True)) for row in file["rows"]):
        yield BENCHMARKS[name], cells, cells.pop("value")

def rows_in(table, files, llms):
    """The same of each run of a table; version 3 states parameters in billions."""
    for run in ({key: x for key, x in run.items() if x} for run in csv.DictReader(Path(table).read_text().splitlines())):
        if name := TASKS.get(run.get("task")):
            first = lambda *keys, run=run: next(run[key] for key in keys if key in run)  # noqa: E731  of this row
            model = first("model_id", "model").split("/")[-1].lower().removeprefix("meta-")
            cells = files[name]["conditions"] | {"model_id": model, "hardware": BOARDS[first("gpu_model", "gpu")[:4].upper()]}
            size = {f"{kind}_parameters": float(run.get(f"{kind}_parameters") or 1e9 * float(run.get(f"{key}_params_billions", 0)))
                    for kind, key in (("active", "activated"), ("total", "total"))}
            cells |= ({"llm": llms[model]} if model in llms else size) | ({"stack": f"{run['engine']}-2026-09"} if name == "powerx" else {})
            cells |= {"gpu_count": float(first("num_gpus", "decode_gpus", "gpus")), "prefill_gpu_count": float(run.get("prefill_gpus", 0)),
                      "output_tokens": float(first("avg_output_len", "output_tokens")), "precision": run.get("weight_precision", cells.get("precision")),
                      "batch_size": max(1.0, float(first("avg_batch_size", "batch_size", "concurrency")))}
            yield BENCHMARKS[name], cells, float(first("energy_per_token_joules", "j_per_output_token"))

def formulas(cells, active, total):
    """Epoch's at the boards (utilization 0.1, power 0.7), EcoLogits' fit at a batch of 64 on boards of 80 GB."""
    boards = 2 ** math.ceil(math.log2(max(1, math.ceil(1.2 * 2 * total / 80e9))))
    fit = 3600 * boards * (1.1665e-6 * math.exp(-0.011206 * 64) * active / 1e9 + 4.0529e-5)
    return {"Epoch's formula": 2 * active * 0.7 / 0.1 * JOULES_PER_FLOP[cells["hardware"]], "EcoLogits' formula": fit}

def main(folder=FOLDER, draws=500, data=()):
    """Predict, score, draw; `draws` are those of each of four chains."""
    evidence = un.build_problem("roofline-efficiency").evidence
    files = {x.name: x.document.data for x in evidence}
    whole = [row for name, file in files.items() for row in cells_of(name, file)]
    sizes = {row.groups[0]: [row.conditions[f"{kind}_parameters"] for kind in ("active", "total")] for x in evidence for row in x.rows}
    rows = [row for table in data for row in rows_in(table, files, {x["model_id"]: x["llm"] for _, x, _ in whole})] or whole
    models, scored = sorted({cells["model_id"] for name, cells, _ in rows if name != "PowerX"}), {}  # which has one
    for out in [*dict.fromkeys(row[0] for row in rows), *models][MODELS]:
        others = [{**file, "rows": [row for row, (bench, cells, _) in zip(file["rows"], cells_of(name, file), strict=True)
                                    if out not in (bench, cells["model_id"])]} for name, file in files.items()]
        tree = un.infer(un.build_problem("roofline-efficiency", evidence=[file for file in others if file["rows"]]), draws=draws)
        left = [row for row in rows if out in (row[0], row[1]["model_id"])]
        drawn = un.predict(tree, [cells for _, cells, _ in left], observes="gpu_energy_per_output_token_j")
        for i, (name, cells, value) in enumerate(left):
            single = formulas(cells, *sizes.get(cells["model_id"]) or [cells["active_parameters"], cells["total_parameters"]])
            scored.setdefault((name, "model" if out in models else "benchmark"), []).append((drawn.isel(row=[i]), single, value))
    for (name, kind), parts in scored.items():
        drawn, single, values = zip(*parts, strict=True)
        points = {key: xr.DataArray([[x[key] for x in single]], dims=("sample", "row")) for key in single[0]}
        target = folder if len(scored) == 1 else folder / f"{name}_{kind}"
        scores = un.write_scores({"calibrated roofline": xr.concat(drawn, "row"), **points}, [*values], target, png=True)
        un.write_provenance(tree, target, Path(__file__).name)
        wide, narrow = (f"{100 * float(scores['coverage'].sel(approach='calibrated roofline', prob=p)):.0f} %" for p in (0.9, 0.5))
        rmse = ", ".join(f"{key} {x:.2f}" for key, x in scores["log_rmse"].to_series().items())
        print(f"{name}, each {kind} left out ({len(values)} runs): log-RMSE of J per token (3600 J are 1 Wh) {rmse}; "
              f"{wide} in their 90 % interval, {narrow} in their 50 % interval", flush=True)

if __name__ == "__main__":
    main(data=sys.argv[2:])
