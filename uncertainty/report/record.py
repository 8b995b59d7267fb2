"""A result as plain data, for JSON."""

import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import xarray as xr

from uncertainty.report.text import Headline, citation_sentence, doubts
from uncertainty.results import STATISTICS, chances, check_tree, group_of, summarize
from uncertainty.sampling import summarize_inputs, width_notices
from uncertainty.writing import json_text, write_text

if TYPE_CHECKING:
    import pandas as pd


Record: TypeAlias = dict[str, object]


def notices_of(tree: xr.DataTree) -> list[str]:
    """Sentences worth reading before believing a result."""
    wide = width_notices(summarize_inputs(tree)) if "prior" in tree.children else []
    return [*json.loads(str(tree.attrs.get("notices", "[]"))), *wide]


def records(table: xr.Dataset, **facts: float) -> list[Record]:
    """Turn a table into one mapping a row; what is no number becomes None."""
    flat = table.drop_dims("position", errors="ignore").to_dataframe().reset_index()
    rows = json.loads(flat.to_json(orient="records", double_precision=15))
    return [{**row, **facts} for row in rows]


def ranked_inputs(ranking: xr.Dataset) -> list[Record]:
    """Give one mapping for each input of a ranking, the first one first."""
    plain = [str(key) for key, values in ranking.data_vars.items() if values.dims == ("input",)]
    held = np.diag(ranking["rank_probability"].values)
    return [
        {**row, "chance_of_rank": float(chance)}
        for row, chance in zip(records(ranking[plain]), held, strict=True)
    ]


def ranking_facts(ranking: xr.Dataset) -> Record:
    """Say what was ranked, and what was found beside the inputs."""
    scalars = {str(key): float(v) for key, v in ranking.data_vars.items() if not v.dims}
    return {**{str(key): value for key, value in ranking.attrs.items()}, **scalars}


def ranked_pairs(ranking: xr.Dataset) -> list[Record]:
    """Give one mapping for each pair of inputs, where a ranking tells of pairs."""
    found = [str(key) for key, values in ranking.data_vars.items() if "other" in values.dims]
    place = {str(name): i for i, name in enumerate(ranking["input"].values)}
    rows = records(ranking[found]) if found else []
    return [row for row in rows if place[str(row["input"])] < place[str(row["other"])]]


def add_chances(
    frame: "pd.DataFrame", rows: "pd.Series[bool]", tree: xr.DataTree, quantity: str, above: float
) -> None:
    """Add the chance of exceeding a threshold to some rows of a summary, in columns of its own."""
    found = {row.statistic: row for row in chances(tree, quantity, above)}
    for statistic in STATISTICS:
        # The three are one where nothing varies per query.
        row = found.get(statistic, found["query"])
        chosen = rows & (frame["statistic"] == statistic)
        frame.loc[chosen, "threshold"] = row.threshold
        frame.loc[chosen, "chance_over"] = row.chance
        frame.loc[chosen, "mcse_chance_over"] = row.standard_error
        frame.loc[chosen, "not_a_number"] = row.not_a_number


def record(
    tree: xr.DataTree,
    summary: Headline,
    probs: Sequence[float],
    ranking: xr.Dataset | None,
    sentences: Sequence[str],
    above: float | None = None,
) -> Record:
    """Give everything that a report says."""
    found = doubts(tree, summary)
    return {
        "title": tree.attrs["title"],
        "subject": tree.attrs["subject"],
        "quantity": summary.quantity,
        "statistic": summary.quoted,
        "group": group_of(tree),
        "units": summary.units,
        "central": float(tree["central"][summary.quantity]),
        "summary": [row for p in probs for row in records(summarize(tree, p), prob=p)],
        "prior_summary": [
            row
            for p in (probs if "posterior" in tree.children else ())
            for row in records(summarize(tree, p, group="prior"), prob=p)
        ],
        "ranking": ranked_inputs(ranking) if ranking is not None else [],
        "ranking_pairs": ranked_pairs(ranking) if ranking is not None else [],
        "ranking_facts": ranking_facts(ranking) if ranking is not None else {},
        "above": []
        if above is None
        else [row._asdict() for row in chances(tree, summary.quantity, above)],
        "sentences": list(sentences),
        "report": "" if found else citation_sentence(tree, summary),
        "notices": notices_of(tree),
        "warnings": found,
    }


def write_provenance(
    result: "xr.DataTree | xr.Dataset", folder: str | Path, script: str = ""
) -> Path:
    """Write where figures come from, beside them.

    Parameters
    ----------
    result : xarray.DataTree or xarray.Dataset
        From `simulate`, `compare` or `sweep`.
    folder : str or Path
        Made where there is none.
    script : str
        Name of the script that drew them.

    Returns
    -------
    Path
        ``provenance.json``: files with their hashes, seed and versions.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> tree = un.simulate(un.build_problem("gpt-4o"), draws=64)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_provenance(tree, folder, "mine.py").name
    'provenance.json'
    """
    if isinstance(result, xr.DataTree):
        check_tree(result)
    facts = {key: result.attrs[key] for key in ("priors", "priors_sha256", "seed", "versions")}
    told = json_text({**facts, "script": script}, indent=1)
    return write_text(Path(folder) / "provenance.json", told)


def provenance_lines(attributes: Mapping[Hashable, object]) -> list[str]:
    """Say what a result was computed from, and with which versions."""
    facts = {str(key): value for key, value in attributes.items()}
    files = json.loads(str(facts["prior_files"]))
    hashes = [f"{file['path']}: sha256 {file['sha256']}" for file in files if file["text"]]
    versions = ", ".join(f"{k} {v}" for k, v in json.loads(str(facts["versions"])).items())
    keys = (
        "model",
        "scenario",
        "given",
        "seed",
        "draws",
        "randomizations",
        "queries",
        "executor",
        "command",
        "created_at",
    )
    return [*(f"{key}: {facts[key]}" for key in keys if facts.get(key)), *hashes, versions]
