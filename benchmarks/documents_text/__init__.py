"""BERT's tokens a second, beside padding to 512 always."""
