"""One training step of the 3D U-Net, beside the same network in plain fp32."""
