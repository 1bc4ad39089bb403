"""Learning one step after the other: streams for dense prediction, a protocol that is the same for all methods, and its measures."""
