"""How messages look as bytes on a wire, for strategies, engines and the feed alike."""
