"""The only writer and the only deleter."""
