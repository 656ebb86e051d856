"""What became of the messages of a run: the delivery checker, guarantees, fates, recovery."""
