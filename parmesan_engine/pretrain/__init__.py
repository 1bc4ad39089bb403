"""Pre-training: how an encoder's weights are made, once, before any memory. Knows encoders; no memory, project or screen."""
