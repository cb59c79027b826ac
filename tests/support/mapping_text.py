"""The least that a mapping says, and a record that it reads."""

from __future__ import annotations

HEAD = 'name = "acme"\nversion = 2\nabout = "Acme"\n'
LEAST = HEAD + '[action]\nfrom = "act"\n[actor]\nid = "user"\n'
RECORD = {"act": "user_created", "user": "ann"}
