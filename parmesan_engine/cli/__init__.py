"""The command line: one verb, one call of the engine, one JSON object. Scripts depend on its names and units."""
