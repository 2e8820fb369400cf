"""Pages classified by their text: BERT."""
