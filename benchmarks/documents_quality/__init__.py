"""What is claimed of documents, tried on synthetic pages: ensemble, transfer, two workers."""
