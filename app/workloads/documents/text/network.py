"""A BERT with a linear head on its first token. Shapes: B batch, L tokens, K classes."""

from typing import Any

import torch

from app.errors import UsageError
from app.workloads import initial_weights
from app.workloads.documents.text.pretrained import load_bert
from app.workloads.documents.text.task import DocumentTextTask


class BertClassifier(torch.nn.Module):
    """Logits [B, K] of token ids [B, L] and their mask [B, L]: dropout and a linear layer on the [CLS] output."""

    def __init__(self, bert: torch.nn.Module, hidden_size: int, num_classes: int, dropout: float, std: float) -> None:
        super().__init__()
        self.bert = bert
        self.dropout = torch.nn.Dropout(dropout)
        self.head = torch.nn.Linear(hidden_size, num_classes)
        torch.nn.init.normal_(self.head.weight, std=std)
        torch.nn.init.zeros_(self.head.bias)
        self.origin: dict[str, Any] = {}
        """What was loaded from where (pretrained.load_bert)."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state  # [B, L, hidden]
        logits: torch.Tensor = self.head(self.dropout(states[:, 0]))
        return logits


def build_network(task: DocumentTextTask, with_weights: bool = True) -> BertClassifier:
    """The task's BERT with its pretrained weights and a random head, or with the weights of the task; without
    `with_weights` all random, for weights that follow.

    Raises:
        UsageError: the model or the weights are not available, or the task has no classes yet.
    """
    if not task.classes:
        raise UsageError("classes: got none; they are filled in from the store (resolve_task) before a training")
    own_weights = with_weights and task.weights is None
    bert, loaded = load_bert(task.model, task.num_layers, task.max_length, own_weights)
    config = bert.config
    model = BertClassifier(bert, config.hidden_size, len(task.classes), task.dropout, config.initializer_range)
    model.origin = loaded
    if with_weights and task.weights is not None:
        model.origin = initial_weights.load_file(model, task.weights)
    return model


def parameter_groups(
    task: DocumentTextTask, model: torch.nn.Module, weight_decay: float, learning_rate: float
) -> list[dict[str, Any]]:
    """Body and head, each in two: matrices decay, biases and LayerNorm (vectors) do not.

    `lr_factor` is what a group's rate is of the optimizer's.
    """
    head_factor = 1.0 if task.head_learning_rate is None else task.head_learning_rate / learning_rate
    groups = []
    for is_head, factor in ((False, 1.0), (True, head_factor)):
        named = [p for name, p in model.named_parameters() if name.startswith("head.") == is_head and p.requires_grad]
        for decays in (True, False):
            parameters = [p for p in named if (p.ndim > 1) == decays]
            decay = weight_decay if decays else 0.0
            groups.append({"params": parameters, "weight_decay": decay, "lr_factor": factor})
    return [group for group in groups if group["params"]]
