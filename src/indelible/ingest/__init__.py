"""How events arrive."""
