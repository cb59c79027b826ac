"""Offline verifier for Indelible bundles, proofs and exported logs.

Written from `spec/log.md` alone; shares no code with the server. Everything that is public is
named here, other modules are free to move.
"""

from __future__ import annotations

from indelible_verify.bundle import verify_bundle
from indelible_verify.checkpoint import Checkpoint, parse_checkpoint
from indelible_verify.errors import Damaged, NoteInvalid, Refused, UsageProblem, VerifyError
from indelible_verify.log import verify_log
from indelible_verify.note import (
    ED25519,
    ED25519_COSIGNATURE,
    MLDSA44,
    Key,
    Note,
    Signed,
    decimal,
    decode_base64,
    parse_note,
    signed_message,
    valid_name,
    verify_note,
)
from indelible_verify.proof import verify_proof
from indelible_verify.report import as_json, as_text
from indelible_verify.tree import (
    EMPTY_ROOT,
    leaf_hash,
    node_hash,
    tree_hash,
    verify_consistency,
    verify_inclusion,
)
from indelible_verify.trust import Trust, make_trust
from indelible_verify.verdict import EventResult, Problem, Report, Said, Verdict
from indelible_verify.verification_policy import (
    Accept,
    VerificationPolicy,
    parse_verification_policy,
)

__all__ = [
    "ED25519",
    "ED25519_COSIGNATURE",
    "EMPTY_ROOT",
    "MLDSA44",
    "Accept",
    "Checkpoint",
    "Damaged",
    "EventResult",
    "Key",
    "Note",
    "NoteInvalid",
    "Problem",
    "Refused",
    "Report",
    "Said",
    "Signed",
    "Trust",
    "UsageProblem",
    "Verdict",
    "VerificationPolicy",
    "VerifyError",
    "as_json",
    "as_text",
    "decimal",
    "decode_base64",
    "leaf_hash",
    "make_trust",
    "node_hash",
    "parse_checkpoint",
    "parse_note",
    "parse_verification_policy",
    "signed_message",
    "tree_hash",
    "valid_name",
    "verify_bundle",
    "verify_consistency",
    "verify_inclusion",
    "verify_log",
    "verify_note",
    "verify_proof",
]
