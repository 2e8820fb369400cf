"""What studies take, beside what was predicted of each strategy before it ran; figures of planning."""
