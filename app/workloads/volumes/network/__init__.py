"""What is trained: networks, losses, what goes in on the device."""
