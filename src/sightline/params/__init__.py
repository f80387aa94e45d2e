"""Parameter cards: fitted numbers with their origin, one JSON file each."""
