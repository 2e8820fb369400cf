"""The fetch job, from an archive on this machine; and what it says without a network."""

import hashlib
import importlib.util
import socket
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from app.command_line import run
from app.data.fetch import hub
from app.errors import DataError
from app.workloads.brats.source.contents import detect_layout
from app.workloads.brats.synthetic.data_sets import SyntheticSet, finish_set, open_set, write_cases
from app.workloads.documents.source.classes import TOBACCO

JOB = Path(__file__).parents[3] / "jobs" / "fetch.py"


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("job_fetch", JOB)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "job_fetch", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A tar as the Decathlon distributes it, of two small synthetic cases."""
    folder, which = tmp_path / "made", SyntheticSet(num_cases=2, num_test_cases=0, shape=(28, 26, 24))
    list(write_cases(str(folder), which, open_set(str(folder), which), 1))
    finish_set(str(folder), which)
    path = tmp_path / "Task01_BrainTumour.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(folder, "Task01_BrainTumour", filter=lambda m: None if Path(m.name).name.startswith(".") else m)
    return path


def call(fetch: ModuleType, *flags: str, name: str = "msd-brain") -> None:
    kinds = {
        "msd-brain": fetch.FetchMsdBrain, "rvl-cdip": fetch.FetchRvlCdip, "tobacco3482": fetch.FetchTobacco3482
    }  # fmt: skip
    run(kinds, fetch.main, [name, *flags], fetch.__doc__)


def test_archive_on_this_machine(
    fetch: ModuleType, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(fetch, "--out", str(tmp_path / "out"), "--source", archive.as_uri())
    layout, cases = detect_layout(str(tmp_path / "out" / "Task01_BrainTumour"))
    assert (layout, [case.id for case in cases]) == ("msd", ["BRATS_001", "BRATS_002"])
    assert archive.exists()  # the user's own file is never removed
    assert "2 training images" in capsys.readouterr().out
    call(fetch, "--out", str(tmp_path / "out"), "--source", "file:///nowhere")
    assert "already exists" in capsys.readouterr().out


def test_wrong_checksum(fetch: ModuleType, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call(fetch, "--out", str(tmp_path / "out"), "--source", archive.as_uri(), "--md5", "0" * 32)
    assert ended.value.code == 3
    assert "expected 00000000000000000000000000000000" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_offline(
    fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/Task01_BrainTumour.tar"
        monkeypatch.setattr(fetch, "published_address", lambda: (address, "0" * 32))
        with pytest.raises(SystemExit) as ended:
            call(fetch, "--out", str(tmp_path / "out"))
    assert ended.value.code == 3
    told = capsys.readouterr().err
    assert told.startswith("error: cannot reach 127.0.0.1")
    assert told.count("\n") == 1


@pytest.mark.slow
def test_published_address(fetch: ModuleType) -> None:
    address, md5 = fetch.published_address()
    assert address.startswith("https://")
    assert address.endswith("/Task01_BrainTumour.tar")
    assert len(bytes.fromhex(md5)) == 16


RVL_FILES = {
    "images/imagesa/a/b/c/abc00a00/1.tif": b"page",
    "labels/train.txt": b"imagesa/a/b/c/abc00a00/1.tif 3\n",
    "labels/val.txt": b"",
    "labels/test.txt": b"",
}


def test_documents_from_archives_on_this_machine(
    fetch: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in RVL_FILES.items():
        (tmp_path / "rvl" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "rvl" / name).write_bytes(content)
    rvl, tobacco, out = tmp_path / "rvl.tar.gz", tmp_path / "tobacco.zip", tmp_path / "out"
    with tarfile.open(rvl, "w:gz") as tar:
        for name in ("images", "labels"):
            tar.add(tmp_path / "rvl" / name, name)
    with zipfile.ZipFile(tobacco, "w") as made:
        for kind in TOBACCO:
            made.writestr(f"Tobacco3482-jpg/Tobacco3482-jpg/{kind}/1.jpg", kind)
    sha256 = hashlib.sha256(rvl.read_bytes()).hexdigest()
    call(fetch, "--out", str(out), "--source", rvl.as_uri(), name="rvl-cdip")
    assert f"its sha256 is {sha256}" in capsys.readouterr().out
    call(fetch, "--out", str(out), "--source", tobacco.as_uri(), name="tobacco3482")
    assert "10 files" in capsys.readouterr().out
    for name, content in RVL_FILES.items():
        assert (out / "rvl-cdip" / name).read_bytes() == content
    assert {p.parent.name: p.read_text() for p in (out / "tobacco3482").rglob("*.jpg")} == {k: k for k in TOBACCO}
    call(fetch, "--out", str(out), "--source", "file:///nowhere", name="rvl-cdip")
    assert "already exists" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        call(fetch, "--out", str(tmp_path), "--source", rvl.as_uri(), "--sha256", "0" * 64, name="rvl-cdip")
    assert ended.value.code == 3
    assert f"its sha256 is {sha256}, expected 0000" in capsys.readouterr().err


def test_documents_from_the_hub(fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parquet files are the data set; an archive is unpacked. The hub's client is a stand-in."""
    asked = []

    def dataset_info(hub_id: str, revision: str | None) -> SimpleNamespace:
        asked_for.append((hub_id, revision))
        return SimpleNamespace(sha="5ad0" * 10)

    def snapshot(hub_id: str, repo_type: str, revision: str | None, local_dir: Path, allow_patterns: list[str]) -> None:
        asked.append((hub_id, repo_type, revision))
        (local_dir / "data").mkdir(parents=True)
        if hub_id == "some/mirror":
            (local_dir / "data" / "train-00000-of-00001.parquet").write_bytes(b"PAR1")
            return
        with zipfile.ZipFile(local_dir / "data" / "rvl-cdip.zip", "w") as made:
            for name, content in RVL_FILES.items():
                made.writestr(name, content)

    asked_for = []
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: SimpleNamespace(dataset_info=dataset_info))
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    flags = ("--out", str(tmp_path / "mirror"), "--source", "some/mirror", "--revision", "refs/convert/parquet")
    call(fetch, *flags, name="tobacco3482")
    found = tmp_path / "mirror" / "tobacco3482" / "data" / "train-00000-of-00001.parquet"
    assert found.read_bytes() == b"PAR1"
    call(fetch, "--out", str(tmp_path / "tar"), "--source", "some/archive", name="rvl-cdip")
    assert (tmp_path / "tar" / "rvl-cdip" / "labels" / "train.txt").read_bytes() == RVL_FILES["labels/train.txt"]
    assert asked_for == [("some/mirror", "refs/convert/parquet"), ("some/archive", None)]
    assert asked == [("some/mirror", "dataset", "5ad0" * 10), ("some/archive", "dataset", "5ad0" * 10)]
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, local_dir, **__: local_dir.mkdir(exist_ok=True))
    with pytest.raises(DataError, match="neither Parquet files nor archives"):
        hub.fetch_snapshot("some/words", None, tmp_path / "words")


def stand_in_hub(monkeypatch: pytest.MonkeyPatch, commit: str, files: dict[str, bytes], breaks: bool = False) -> None:
    """A hub whose only data set has these files at this commit; its client keeps what is there, as the real one."""

    def snapshot(*_: object, local_dir: Path, **__: object) -> None:
        for name, content in files.items():
            if not (local_dir / name).exists():
                (local_dir / name).write_bytes(content)
        if breaks:
            raise ConnectionError("the network went away")

    info = SimpleNamespace(dataset_info=lambda *_, **__: SimpleNamespace(sha=commit))
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: info)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)


def test_an_interrupted_revision_is_not_mixed_with_the_next(
    fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("--out", str(tmp_path), "--source", "some/mirror")
    stand_in_hub(monkeypatch, "old", {"a.parquet": b"old a", "b.parquet": b"old b"}, breaks=True)
    with pytest.raises(SystemExit):
        call(fetch, *flags, name="tobacco3482")
    part = tmp_path / ".tobacco3482.hub"
    assert (part / "b.parquet").read_bytes() == b"old b"
    (part / "kept").write_bytes(b"of the same commit")
    with pytest.raises(SystemExit):
        call(fetch, *flags, name="tobacco3482")
    assert (part / "kept").exists(), "the same revision resumes where it stopped"
    stand_in_hub(monkeypatch, "new", {"a.parquet": b"new a"})
    call(fetch, *flags, name="tobacco3482")
    found = {path.name: path.read_bytes() for path in (tmp_path / "tobacco3482").glob("*.parquet")}
    assert found == {"a.parquet": b"new a"}


def test_a_hubs_archive_is_held_against_the_digest(
    fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made.zip"
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in RVL_FILES.items():
            archive.writestr(name, content)
    stand_in_hub(monkeypatch, "one", {"rvl.zip": made.read_bytes()})
    flags = ("--out", str(tmp_path / "out"), "--source", "some/archive")
    with pytest.raises(SystemExit) as ended:
        call(fetch, *flags, "--sha256", "0" * 64, name="rvl-cdip")
    sha256 = hashlib.sha256(made.read_bytes()).hexdigest()
    assert ended.value.code == 3
    assert f"rvl.zip of some/archive is not the expected file: its sha256 is {sha256}" in capsys.readouterr().err
    assert not (tmp_path / "out" / "rvl-cdip").exists()
    call(fetch, *flags, "--sha256", sha256, name="rvl-cdip")
    assert (tmp_path / "out" / "rvl-cdip" / "labels" / "train.txt").exists()
    stand_in_hub(monkeypatch, "one", {"a.parquet": b"PAR1", "b.parquet": b"PAR1"})
    with pytest.raises(SystemExit) as ended:
        call(fetch, "--out", str(tmp_path / "mirror"), "--source", "some/mirror", "--md5", "0" * 32, name="tobacco3482")
    assert ended.value.code == 2 and "some/mirror is 2 files" in capsys.readouterr().err


def test_hub_that_can_not_be_reached(
    fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SystemExit) as ended:
        call(fetch, "--out", str(tmp_path), name="tobacco3482")
    assert ended.value.code == 3
    told = capsys.readouterr().err
    assert told.startswith("error: cannot reach the hub for maveriq/tobacco3482")
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())
    (tmp_path / "part.parquet").touch()
    with pytest.raises(DataError, match="cannot reach the hub"):  # what an earlier call left is not the whole
        hub.fetch_snapshot("maveriq/tobacco3482", None, tmp_path)
