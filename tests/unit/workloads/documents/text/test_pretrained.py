import contextlib
import json
import os
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch

from app.errors import UsageError
from app.workloads.documents.text.pretrained import load_bert, load_tokenizer
from app.workloads.documents.text.tiny_bert import SmallBert, make_small_bert


def test_first_layers_are_those_of_the_folder(bert: str) -> None:
    from safetensors.torch import load_file

    model, record = load_bert(bert, 2, 64)
    saved = load_file(f"{bert}/model.safetensors")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, saved[name], rtol=0, atol=0)
    assert record["source"] == bert  # under the name that the image workload has
    assert (record["origin"], record["layers"], record["layers_of_model"]) == ("folder", 2, 3)
    assert record["missing"] == record["unexpected"] == []
    assert record["note"]["weights"] == "random"
    assert json.loads(json.dumps(record)) == record


def test_weights_that_are_not_there_are_an_error(bert: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "bert"
    shutil.copytree(bert, folder)
    weights = load_file(folder / "model.safetensors")
    lost = weights.pop("encoder.layer.1.output.dense.weight")
    assert lost.numel()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert load_bert(str(folder), 1, 64)[1]["missing"] == []  # the layer is not used
    with pytest.raises(UsageError, match=r"lacks 1 of the encoder's weights \(the first: encoder.layer.1.output"):
        load_bert(str(folder), 2, 64)


def test_more_than_the_model_has(bert: str) -> None:
    with pytest.raises(UsageError, match=r"num_layers: got 4, but .* has 3"):
        load_bert(bert, 4, 64)
    with pytest.raises(UsageError, match=r"max_length: got 65, but .* has 64 positions"):
        load_bert(bert, 2, 65)


@pytest.mark.parametrize("model_type", ["bert", "own"])
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_folder_with_code_of_its_own_is_refused_unasked(
    bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, model_type: str
) -> None:
    folder, ran = tmp_path / "bert", tmp_path / "ran"
    shutil.copytree(bert, folder)
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\nclass Own: pass\n")
    auto_map = {"AutoConfig": "own.Own", "AutoModel": "own.Own", "AutoTokenizer": ["own.Own", "own.Own"]}
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**content, "auto_map": auto_map}))
    if model_type == "own":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "model_type": "own"}))
    if file == "config.json":
        with pytest.raises(UsageError, match="code of its own, which is never run"):
            load_bert(str(folder), 2, 64)
    else:
        with contextlib.suppress(UsageError):  # where the library knows the type, its own tokenizer is taken
            load_tokenizer(str(folder))
    assert not ran.exists()


def test_missing_folder_and_unreachable_hub_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()
    for model, told in (
        (str(tmp_path / "none"), "does not exist; expected a folder"),
        (str(tmp_path / "empty"), "save_pretrained"),
        ("nobody/no-such-bert", "jobs/vocabulary.py makes a small BERT"),
    ):
        for load in (lambda: load_bert(model, 2, 64), lambda: load_tokenizer(model)):  # noqa: B023
            with pytest.raises(UsageError, match=told) as raised:
                load()
            assert "\n" not in str(raised.value)


def test_small_berts_of_one_seed_are_the_same(tmp_path: Path) -> None:
    texts = ["dear sir", "total amount due", "total due"]
    sizes = [SmallBert(hidden_size=8, num_heads=2, num_layers=1, max_length=16, seed=seed) for seed in (1, 1, 2)]
    for i, size in enumerate(sizes):
        make_small_bert(texts, str(tmp_path / str(i)), size)
    weights = [(tmp_path / str(i) / "model.safetensors").read_bytes() for i in range(3)]
    assert weights[0] == weights[1] != weights[2]
    tokenizer = load_tokenizer(str(tmp_path / "0"))
    assert tokenizer.decode(tokenizer("Total DUE")["input_ids"]) == "[CLS] total due [SEP]"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_damaged_file_is_one_line(bert: str, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "bert"
    shutil.copytree(bert, folder)
    (folder / name).write_bytes((folder / name).read_bytes()[:40])
    load = load_tokenizer if name == "tokenizer.json" else partial(load_bert, num_layers=2, max_length=64)
    with pytest.raises(UsageError, match=f"of {folder}: "):
        load(str(folder))


def test_a_pipe_among_the_files_of_a_model_is_not_waited_for(bert: str, tmp_path: Path) -> None:
    for name, load in (("config.json", partial(load_bert, num_layers=2, max_length=64)), ("vocab.txt", load_tokenizer)):
        folder = tmp_path / name
        shutil.copytree(bert, folder)
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
        with pytest.raises(UsageError, match="it is a named pipe; expected a regular file"):
            load(str(folder))
