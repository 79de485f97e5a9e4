"""One alternating update, the loop around it, and its checkpoints."""
