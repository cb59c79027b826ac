"""Indelible: an audit log that can prove what it holds."""

__version__ = "0.1.0"
