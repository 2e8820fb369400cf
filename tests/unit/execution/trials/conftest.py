"""Fixtures of loggers."""

import pytest


@pytest.fixture
def without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loggers write to folders, and send nothing."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.delenv("WANDB_DIR", raising=False)
