"""A range of one input: the numbers and the figure."""

from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from uncertainty.errors import require_known
from uncertainty.report.figures import plot_sweep
from uncertainty.report.files import write_csv, write_figure


def write_sweep(
    tables: Mapping[str, xr.Dataset],
    folder: str | Path,
    *,
    quantity: str = "energy_wh",
    marks: Mapping[str, float] | None = None,
) -> list[Path]:
    """Write ranges of one input as a table and a figure.

    Parameters
    ----------
    tables : mapping of str to Dataset
        From `sweep`, all over the same input, by the label to show.
    folder : str or Path
        Made where there is none.
    quantity : str
        The output to draw; the table has all.
    marks : mapping of str to float, optional
        Places on the input's axis to mark, by label.

    Returns
    -------
    list of Path
        ``sweep.csv``, and the figure as SVG and PNG.

    Examples
    --------
    >>> import uncertainty as un, tempfile
    >>> table = un.sweep("gpt-4o", "output_tokens", [100, 1000], draws=64)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_sweep({"GPT-4o": table}, folder)]
    ['sweep.csv', 'sweep.svg', 'sweep.png']
    """
    for table in tables.values():
        require_known("quantity", quantity, [str(name) for name in table["quantity"].values])
    flat = xr.concat(
        [table.reset_coords(drop=True).drop_attrs() for table in tables.values()],
        xr.Variable("label", list(tables)),
        join="outer",
    )
    rows = flat.to_dataframe().dropna(how="all").reset_index()
    groups = {label: str(table.attrs.get("group", "")) for label, table in tables.items()}
    if any(groups.values()):
        rows["group"] = rows["label"].map(groups)
    folder = Path(folder)
    return [
        write_csv(folder / "sweep.csv", rows),
        *write_figure(folder / "sweep", plot_sweep(tables, quantity, marks)),
    ]
