import subprocess
import sys
import time

from pipeline import paths
from pipeline.params import Cleanup
from pipeline.scratch import prune, remove, stage_lock
from tests.conftest import ROOT

HOLD = """
import time
from pipeline.scratch import stage_lock
with stage_lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_stage_lock_of_a_killed_process_is_free_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert holder.stdout.readline() == "held\n"
    waiter = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert f"Waiting: process {holder.pid} is still working" in waiter.stderr.readline()
    holder.kill()
    assert waiter.stdout.readline() == "held\n"
    waiter.kill()
    for process in (holder, waiter):
        process.wait()
        process.stdout.close()
    waiter.stderr.close()


def test_prune_keeps_the_newest_journals_and_published_executions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        for folder in (paths.JOURNALS / f"j{number}", paths.EXECUTIONS / f"e{number}"):
            folder.mkdir(parents=True)
            # e0 is not in MLflow yet: it must not be lost.
            (folder / ("run.json" if number == 0 else "published")).write_text("x")
            time.sleep(0.01)
    (paths.TUNERS / "left-by-a-kill").mkdir(parents=True)
    freed = prune(Cleanup(keep_journals=2, keep_executions=1))
    assert sorted(path.name for path in paths.JOURNALS.iterdir()) == ["j2", "j3"]
    assert sorted(path.name for path in paths.EXECUTIONS.iterdir()) == ["e0", "e3"]
    assert not paths.TUNERS.exists()
    assert freed.files == 4


def test_remove_counts_files_and_bytes(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    freed = remove(tmp_path / "a")
    assert (freed.files, freed.bytes) == (1, 5)
    assert remove(tmp_path / "a").files == 0


def test_stage_lock_is_let_go_after_its_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with stage_lock():
        pass
    with stage_lock():
        assert paths.STAGE_LOCK.exists()
