"""What an installed package finds: its shipped files, by name and by path, without a clone."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from uncertainty.files import json_schemas, shipped_folder, shipped_names

ROOT = Path(__file__).parents[1]
SCRIPT = """
import json, sys
import uncertainty
from uncertainty.files import load_priors, shipped_folder, shipped_names

def told(file):
    found = load_priors(file)
    return [found.label, [layer.document.sha256 for layer in found.layers]]

by_path = lambda folder: {n: told(f"{folder}/{n}.yaml") for n in shipped_names()}
print(json.dumps({
    "package": uncertainty.__file__,
    "by name": {name: told(name) for name in shipped_names()},
    "by path": by_path(shipped_folder()),
    "of a clone": by_path("priors") if len(sys.argv) > 1 else None,
}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        ROOT,
    ]
    subprocess.run([sys.executable, *build], check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.mark.slow
def test_every_shipped_file_by_name_and_by_path_from_a_wheel(installed, tmp_path):
    command = [sys.executable, "-P", "-c", SCRIPT]  # not the package of the current folder
    environment = {"PYTHONPATH": str(installed)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert Path(found["package"]).is_relative_to(installed)
    assert sorted(found["by name"]) == shipped_names()
    assert found["by name"] == found["by path"]
    # The files of a clone are the same texts, whichever package reads them.
    done = subprocess.run(
        [*command, "clone"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert Path(found["package"]).is_relative_to(installed)
    texts = {name: hashes for name, (_, hashes) in found["by name"].items()}
    assert {name: hashes for name, (_, hashes) in found["of a clone"].items()} == texts


def test_the_wheel_ships_every_file_of_the_priors_and_their_schemas(installed):
    shipped = installed / "uncertainty" / "priors"
    schemas = {Path("schema.json"), Path("evidence/schema.json"), Path("catalogue/schema.json")}
    names = {p.relative_to(shipped_folder()) for p in shipped_folder().rglob("*") if p.is_file()}
    assert {p.relative_to(shipped) for p in shipped.rglob("*") if p.is_file()} == names | schemas
    texts = [(shipped / name).read_text() for name in ("schema.json", "evidence/schema.json")]
    assert [json.loads(text) for text in texts] == [*json_schemas().values()][:2]
