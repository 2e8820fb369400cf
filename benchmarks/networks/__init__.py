"""EfficientNets beside other networks: accuracy, parameters, speed and memory; claim 5 of docs/studies.md."""
