"""The audit policy: ordered rules that decide what is kept of what arrives. Pure."""
