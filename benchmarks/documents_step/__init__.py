"""One training step on pages, beside timm in plain fp32."""
