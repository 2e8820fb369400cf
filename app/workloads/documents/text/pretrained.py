"""BERTs and tokenizers by hub id or local folder, and what was loaded of them: never weights that nobody chose."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.data.regular import check_regular
from app.errors import UsageError

NOTE_NAME = "twofold.json"
"""In a folder that jobs/vocabulary.py made: where its weights come from."""

CODE_OF_ITS_OWN = "model: {} brings code of its own, which is never run; expected a BERT of the transformers library"

_LAYER = re.compile(r"(?:^|\.)encoder\.layer\.([0-9]{1,9})\.")


def load_tokenizer(model: str) -> Any:
    """The tokenizer of a model.

    Raises:
        UsageError: it is not available, or is not a fast one with [CLS], [SEP] and padding.
    """
    with quiet(), _explained(model, "tokenizer"):
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    special = (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
    if None in special or not tokenizer.is_fast:
        raise UsageError(
            f"the tokenizer of {model} is not a BERT's: it lacks [CLS], [SEP] or [PAD]; name another model"
        )
    return tokenizer


def load_config(model: str, num_layers: int | None, max_length: int) -> Any:
    """The configuration of the model with its first `num_layers` layers.

    Raises:
        UsageError: it is not available, is not a BERT, or has fewer layers or positions.
    """
    with quiet(), _explained(model, "configuration"):
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(model, trust_remote_code=False)
    if getattr(config, "auto_map", None):
        raise UsageError(CODE_OF_ITS_OWN.format(model))
    if config.model_type != "bert":
        raise UsageError(f"{model} is of the type {config.model_type!r}; expected a BERT")
    if num_layers is not None and num_layers > config.num_hidden_layers:
        raise UsageError(f"num_layers: got {num_layers}, but {model} has {config.num_hidden_layers}")
    if max_length > config.max_position_embeddings:
        raise UsageError(f"max_length: got {max_length}, but {model} has {config.max_position_embeddings} positions")
    return config


def load_bert(
    model: str, num_layers: int | None, max_length: int, with_weights: bool = True
) -> tuple[Any, dict[str, Any]]:
    """The encoder without its pooler, and a plain record of what was loaded (empty without weights).

    Raises:
        UsageError: it is not available, or its file lacks weights, which would be random.
    """
    config = load_config(model, num_layers, max_length)
    total = config.num_hidden_layers
    if num_layers is not None:
        config.num_hidden_layers = num_layers
    with quiet(), _explained(model, "weights"):
        from transformers import BertModel

        if not with_weights:
            return BertModel(config, add_pooling_layer=False), {}
        loaded: Any = BertModel.from_pretrained(model, config=config, add_pooling_layer=False, output_loading_info=True)
    bert, found = loaded
    missing = sorted(found["missing_keys"])
    if missing:
        raise UsageError(
            f"{model} lacks {len(missing)} of the encoder's weights (the first: {missing[0]}), which would be random; "
            "expected a whole BERT"
        )
    record = {
        "source": model,
        "origin": "folder" if os.path.isdir(model) else "hub",
        "revision": getattr(config, "_commit_hash", None),
        "layers": config.num_hidden_layers,
        "layers_of_model": total,
        "num_loaded": len(bert.state_dict()),
        "missing": missing,
        "unexpected": sorted(key for key in found["unexpected_keys"] if not _left_out(key, config.num_hidden_layers)),
        "random": ["head.weight", "head.bias"],
        "note": _note(model),
    }
    return bert, record


def _left_out(key: str, num_layers: int) -> bool:
    layer = _LAYER.search(key)
    return layer is not None and int(layer[1]) >= num_layers


def _note(model: str) -> Any:
    from app.data import files

    path = files.join(model, NOTE_NAME)
    return files.read_json(path) if os.path.isfile(path) else None


@contextmanager
def _explained(model: str, what: str) -> Iterator[None]:
    """One line for whatever transformers says when something is not available."""
    if _is_path(model) and not os.path.isdir(model):
        raise UsageError(f"model: the folder {model} does not exist; expected a folder with a BERT, or a hub id")
    try:
        for name in os.listdir(model) if os.path.isdir(model) else ():
            check_regular(os.path.join(model, name))
        yield
    except Exception as error:  # a damaged file makes safetensors and tokenizers raise classes of their own
        if "trust_remote_code" in str(error):
            raise UsageError(CODE_OF_ITS_OWN.format(model)) from error
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        advice = (
            "expected a folder as save_pretrained writes it"
            if os.path.isdir(model)
            else "expected a hub id that can be reached or is in the local cache, or a folder; "
            "jobs/vocabulary.py makes a small BERT without a network"
        )
        raise UsageError(f"model: no {what} of {model}: {first}; {advice}") from error


def _is_path(model: str) -> bool:
    """A hub id has one slash at most and starts with neither a dot nor a slash."""
    return os.path.isabs(model) or model.startswith((".", "~")) or model.count("/") > 1


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars and its table of keys, which the record holds."""
    from transformers.utils import logging

    log: Any = logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
