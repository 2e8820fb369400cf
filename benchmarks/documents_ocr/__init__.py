"""Pages read by OCR, beside pytesseract as it is."""
