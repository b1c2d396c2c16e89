"""Model folders that were changed after export are refused, whoever changed them."""

import hashlib
import json
import shutil
import sys
import zipfile

import pytest

LOAD = "import sys; sys.path.insert(0, 'exported/model'); import servable; servable.load(sys.argv[1])"


def renew_manifest(model):
    """What someone would do who knows of the manifest."""
    path = model / "manifest.json"
    files = json.loads(path.read_text())["files"]
    new = {name: hashlib.sha256((model / name).read_bytes()).hexdigest() for name in files}
    path.write_text(json.dumps({"files": new}))


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.fixture
def model(finished, tmp_path):
    return shutil.copytree(finished.folder / "exported/model", tmp_path / "model")


def refusal(finished, model):
    result = finished.python("-B", "-c", LOAD, str(model), check=False)
    assert result.returncode == 1
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "damage", [flip, truncate, lambda path: path.unlink()], ids=["flip", "truncate", "remove"]
)
@pytest.mark.parametrize("name", ["network.keras", "preprocessor.skops", "schema.json", "servable/rows.py"])
def test_damaged_file_is_refused_by_name(finished, model, damage, name):
    damage(model / name)
    assert f"{name} must have the SHA-256 digest" in refusal(finished, model)


@pytest.mark.parametrize("name", ["preprocessor.skops", "network.keras"])
def test_file_of_another_model_is_refused(finished, model, name):
    """The other one is a real file of the same kind, with other numbers in it."""
    with zipfile.ZipFile(model / name) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(model / name, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    assert f"{name} must have the SHA-256 digest" in refusal(finished, model)


def test_file_smuggled_in_is_refused(finished, model):
    (model / "preprocessor.pkl").write_bytes(b"\x80\x04cos\nsystem\n")
    assert "must hold only what was exported, but got preprocessor.pkl as well" in refusal(finished, model)


def test_manifest_that_cannot_be_read_is_refused(finished, model):
    (model / "manifest.json").write_text("{")
    assert "manifest.json cannot be read" in refusal(finished, model)


def test_pickle_in_the_preprocessors_place_is_not_unpickled_even_with_a_renewed_manifest(
    finished, model, tmp_path
):
    proof = tmp_path / "executed"
    (model / "preprocessor.skops").write_bytes(f"cos\nsystem\n(S'touch {proof}'\ntR.".encode())
    renew_manifest(model)
    assert "not a zip file" in refusal(finished, model)
    assert not proof.exists()


def test_foreign_type_in_the_preprocessor_is_not_built_even_with_a_renewed_manifest(finished, model):
    path = model / "preprocessor.skops"
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    schema = json.loads(members["schema.json"])
    schema["__module__"], schema["__class__"] = "subprocess", "Popen"
    members["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    renew_manifest(model)
    assert "subprocess.Popen" in refusal(finished, model)


def test_code_in_the_network_is_not_run_even_with_a_renewed_manifest(finished, model, tmp_path):
    script = """
import sys, keras
inputs = keras.Input((60,))
keras.Model(inputs, keras.layers.Lambda(lambda x: x)(inputs)).save(sys.argv[1])
"""
    finished.python("-c", script, str(model / "network.keras"))
    renew_manifest(model)
    assert "unsafe" in refusal(finished, model).lower()


def test_model_loads_where_unpickling_is_forbidden(finished):
    script = (
        "import sys, keras, sklearn; sys.path.insert(0, 'exported/model'); import servable, pandas as pd, pickle\n"
        "def forbidden(*_, **__): raise AssertionError('something was unpickled')\n"
        "pickle.load = pickle.loads = pickle.Unpickler = forbidden\n"
        "servable.load('exported/model').predict(pd.read_csv('data/breast_cancer.csv').head(2))"
    )
    finished.run(sys.executable, "-I", "-B", "-c", script)
