"""Bytes at rest: keyring, sealed files, evidence, columns, manifest, metadata."""
