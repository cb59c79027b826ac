"""Write the test vectors of spec/log.md to spec/vectors.

    PYTHONPATH=src python spec/generate_vectors.py

Keys, salts and times are fixed, so a second run writes the same bytes. ML-DSA-44 signing is
hedged and cannot be repeated: its signatures are kept in `vectors/mldsa44.json` and used again
as long as they verify. The keys in here are public: they protect nothing.
"""

from __future__ import annotations

import json
import struct

from vectorgen.base import OUT, KeptMLDSA44, write
from vectorgen.bundles import bundle_vectors
from vectorgen.entries import commitment_vectors, entry_vectors, receipt_vectors, records_vectors
from vectorgen.notes import note_vectors
from vectorgen.sample import sample_log
from vectorgen.trees import tile_vectors, tree_vectors

from indelible.proof import commitment


def main() -> None:
    assert struct.calcsize(">BBHIQQI32s") == commitment.ENTRY_SIZE
    OUT.mkdir(exist_ok=True)
    if KeptMLDSA44.path.exists():
        KeptMLDSA44.kept = json.loads(KeptMLDSA44.path.read_text())
    log, at = sample_log()
    commitment_vectors()
    entry_vectors()
    tree_vectors()
    tile_vectors()
    note_vectors(log)
    records_vectors(log, at)
    receipt_vectors(log)
    bundle_vectors(log, at)
    write("mldsa44.json", dict(sorted(KeptMLDSA44.used.items())))


if __name__ == "__main__":
    main()
