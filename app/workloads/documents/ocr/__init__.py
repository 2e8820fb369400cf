"""The text of pages: read by OCR or taken over, kept with the store."""
