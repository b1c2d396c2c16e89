"""Rules that hold over the whole repository."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

PACKAGE = ROOT / "pipeline"
STAGES = {"prepare", "search", "export", "evaluate"}
HEAVY = ("tensorflow", "keras", "autokeras", "keras_tuner", "mlflow", "ray")


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def imports(path, *, top_level_only=False):
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path):
    """The folder of a module below pipeline/, or '' for a foundation."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_import_in_one_direction(path):
    own = room(path)
    foreign = {
        name.split(".")[1]
        for name in imports(path)
        if name.startswith("pipeline.") and name.split(".")[1] in STAGES - {own}
    }
    # The command line starts the stages; nothing else reaches into them from outside.
    # Rebuilding a trial takes what the stages have; they know nothing of it.
    assert foreign == set() or path.name == "__main__.py" or own in {"commands", "reruns"}


FOUNDATIONS = [path for path in modules() if room(path) in {"", "tracking"}]


@pytest.mark.parametrize("path", FOUNDATIONS, ids=lambda path: path.name)
def test_foundations_import_nothing_heavy_at_module_level(path):
    heavy = [name for name in imports(path, top_level_only=True) if name.split(".")[0] in HEAVY]
    assert heavy == []


# Modules that print, lock, record or publish: no stage output depends on them.
WITHOUT_RESULTS = {"console", "errors", "paths", "scores", "scratch", "executions", "tracking", "problems"}


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_dvc_depends_on_every_module_that_a_stage_imports(stage):
    reached, queue = set(), sorted((PACKAGE / stage).rglob("*.py"))
    while queue:
        for name in imports(queue.pop()):
            top = name.split(".")[1] if name.startswith("pipeline.") else stage
            if top in {*WITHOUT_RESULTS, *reached, stage}:
                continue
            reached.add(top)
            single = PACKAGE / f"{top}.py"
            queue += [single] if single.exists() else sorted((PACKAGE / top).rglob("*.py"))
    deps = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["deps"]
    code = {dep for dep in deps if dep.startswith("pipeline/")}
    files = {name: f"{name}.py" if (PACKAGE / f"{name}.py").exists() else name for name in reached}
    assert code == {f"pipeline/{stage}", *(f"pipeline/{name}" for name in files.values())}


def test_only_tracking_and_the_served_model_talk_to_mlflow():
    users = {path for path in modules() if any(n.split(".")[0] == "mlflow" for n in imports(path))}
    assert {path.name for path in users if room(path) != "tracking"} == {"pyfunc.py"}


def test_only_determinism_seeds():
    seeders = re.compile(r"set_random_seed|random\.seed\(|tf\.random\.set_seed")
    assert {path.name for path in modules() if seeders.search(path.read_text())} == {"determinism.py"}


def test_nothing_is_saved_with_pickle():
    saving = re.compile(r"pickle\.dump\(|joblib|pickle\.load\(|allow_pickle=True|cloudpickle")
    assert [path for path in modules() if saving.search(path.read_text())] == []


@pytest.mark.parametrize("words", [["--help"], ["check"], ["cleanup"], ["prepare"]])
def test_commands_that_need_no_tensorflow_or_mlflow_import_neither(project, words):
    script = (
        "import sys; from pipeline.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"print('heavy:', sorted(set(sys.modules) & set({HEAVY})))"
    )
    assert "heavy: []" in project.python("-c", script, *words).stdout


@pytest.mark.parametrize("words", [["--help"], ["check"], ["cleanup"]])
def test_light_commands_are_light(project, words):
    """CPU time is bounded by the number of modules, not by a clock: 0.3 to 0.45 s in the note."""
    script = (
        "import sys; from pipeline.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('loaded:', len(sys.modules), sorted({'pandas', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    said = project.python("-c", script, *words).stdout.splitlines()[-1]
    count, rest = re.fullmatch(r"loaded: (\d+) (.*)", said).groups()
    assert rest == "[]"
    assert int(count) < 700


def test_numpy_is_not_imported_before_the_process_is_fixed(project):
    """OpenBLAS and numpy read their thread counts and instruction sets when they are loaded."""
    script = (
        "import sys; from pipeline.commands import asking, reruns, running; print('numpy' in sys.modules)"
    )
    assert project.python("-c", script).stdout == "False\n"


def lock_pins(name="requirements.lock"):
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([\w.]+)", (ROOT / name).read_text(), re.MULTILINE))


def test_lock_is_complete_and_hashed():
    pins = lock_pins()
    wanted = re.findall(
        r"^([a-z][\w.-]*)(?:==([\w.]+))?", (ROOT / "requirements.in").read_text(), re.MULTILINE
    )
    for name, version in wanted:
        pinned = pins[name.replace(".", "-")]
        assert version in {"", pinned}
    entries = re.split(r"\n(?=[a-z])", (ROOT / "requirements.lock").read_text())[1:]
    assert all("--hash=sha256:" in entry for entry in entries)


def test_locks_of_the_groups_agree_with_the_base():
    base = lock_pins()
    for name in ROOT.glob("requirements-*.lock"):
        differing = {k: v for k, v in lock_pins(name.name).items() if k in base and base[k] != v}
        assert differing == {}, name


def test_conda_docker_and_the_lock_name_one_python_and_one_lock():
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text())
    (python,) = [d for d in conda["dependencies"] if str(d).startswith("python=")]
    version = python.removeprefix("python=")
    assert re.fullmatch(r"3\.11\.\d+", version)
    docker = (ROOT / "Dockerfile").read_text()
    assert f"FROM python:{version}-" in docker
    (pip,) = [d["pip"] for d in conda["dependencies"] if isinstance(d, dict)]
    assert pip == ["-r requirements.lock"]
    assert "--require-hashes -r requirements.lock" in docker


def test_no_file_names_a_registry_or_a_path_of_a_machine():
    forbidden = re.compile(r"pypi\.org|pythonhosted|registry\.npmjs|deb\.debian|/work/|/root/|\.\./shared")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = [
        name
        for name in listed.split()
        if name != "tests/test_repository.py" and forbidden.search((ROOT / name).read_text(errors="replace"))
    ]
    assert found == []


def test_python_that_runs_the_tests_is_the_locks():
    assert Path(sys.executable).exists()
    assert sys.version_info[:2] == (3, 11)


def test_modules_and_functions_stay_small():
    long = [str(path) for path in modules() if path.read_text().count("\n") > 250]
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60:
                long.append(f"{path}: {node.name}")
    assert long == []


def test_commands_and_params_that_the_docs_name_exist(project):
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "\n".join(path.read_text() for path in texts)
    helped = project.pipeline("--help").stdout
    for command in set(re.findall(r"python -m pipeline ([a-z][a-z-]*)", text)):
        assert re.search(rf"^    {command} ", helped, re.MULTILINE), command
    from pipeline.params import known_keys

    sections = {key.split(".")[0] for key in known_keys() if "." in key}
    named = set(re.findall(rf"`((?:{'|'.join(sections)})\.[a-z_]+)(?:: [^`]*)?`", text))
    assert named - set(known_keys()) <= {"search.md", "tracking.experiment"}
    for target in set(re.findall(r"\]\((?!http)([^)#]+)\)", text)):
        assert any((path.parent / target).exists() for path in texts), target
    targets = set(re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", text, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{a or b}:" in makefile for a, b in targets)
