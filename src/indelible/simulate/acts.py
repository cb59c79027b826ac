"""What is done in the simulated company: one row an action, data only.

Weights are per role and relative within the role. `changes` names a family of `changing`; `failed`
and `denied` are chances. About a third of all events carry changes.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Act(msgspec.Struct, frozen=True):
    """One kind of action. `share` is its target type's part of all targets."""

    action: str
    target: str
    service: str
    weights: dict[str, float]
    changes: str = ""
    failed: float = 0.004
    denied: float = 0.006


class Kind(msgspec.Struct, frozen=True):
    """One type of target: prefix of its ids, part of all targets, and how it is named."""

    type: str
    prefix: str
    share: float
    names: str


KINDS: Final = (
    Kind("patient_record", "pt_", 0.22, "person"),
    Kind("encounter", "enc_", 0.2, "encounter"),
    Kind("lab_result", "lr_", 0.16, "lab"),
    Kind("prescription", "rx_", 0.12, "drug"),
    Kind("imaging_study", "img_", 0.06, "imaging"),
    Kind("document", "doc_", 0.1, "document"),
    Kind("claim", "clm_", 0.06, "claim"),
    Kind("appointment", "apt_", 0.05, "encounter"),
    Kind("payroll_record", "pr_", 0.01, "payslip"),
    Kind("employee", "emp_", 0.008, "person"),
    Kind("account", "acc_", 0.006, "person"),
    Kind("setting", "set_", 0.002, "setting"),
    Kind("role", "role_", 0.0005, "role"),
    Kind("device", "dev_", 0.002, "device"),
    Kind("dataset", "ds_", 0.0015, "dataset"),
)
SESSION: Final = "session"

_CLINIC = {"nurse": 1.0, "physician": 1.0}
_SIGNING = dict.fromkeys(
    ("nurse", "physician", "lab", "pharmacy", "billing", "hr", "it", "office"), 3.0
)

ACTS: Final = (
    Act("session.login", SESSION, "identity", _SIGNING, failed=0.06, denied=0.01),
    Act("session.logout", SESSION, "identity", dict.fromkeys(_SIGNING, 1.4), denied=0.0),
    Act("mfa.challenge.approve", "account", "identity", dict.fromkeys(_SIGNING, 1.2), failed=0.02),
    Act("account.password.update", "account", "identity", dict.fromkeys(_SIGNING, 0.05)),
    Act(
        "patient.record.read",
        "patient_record",
        "ehr",
        {"nurse": 24, "physician": 26, "lab": 6, "pharmacy": 10, "billing": 6, "agent": 30},
        denied=0.012,
    ),
    Act(
        "patient.record.search", "patient_record", "ehr", {"nurse": 6, "physician": 5, "office": 8}
    ),
    Act("patient.vitals.update", "patient_record", "ehr", {"nurse": 24}, "vitals"),
    Act("patient.contact.update", "patient_record", "ehr", {"office": 14, "billing": 4}, "contact"),
    Act("patient.allergy.update", "patient_record", "ehr", {"nurse": 2, "physician": 4}, "allergy"),
    Act("patient.record.create", "patient_record", "ehr", {"office": 3}),
    Act("patient.consent.update", "patient_record", "ehr", {"office": 5, "nurse": 1}, "consent"),
    Act("encounter.note.create", "encounter", "ehr", {"physician": 9, "nurse": 5, "agent": 8}),
    Act("encounter.note.update", "encounter", "ehr", {"physician": 9, "agent": 18}, "note"),
    Act("encounter.note.sign", "encounter", "ehr", {"physician": 5}),
    Act(
        "encounter.read",
        "encounter",
        "ehr",
        {"physician": 10, "nurse": 9, "billing": 8, "agent": 8},
    ),
    Act("encounter.close", "encounter", "ehr", {"physician": 2, "office": 2}, "status"),
    Act("bed.update", "encounter", "bed-board", {"nurse": 3, "office": 3, "service": 3}, "bed"),
    Act("lab.order.create", "lab_result", "lis", {"physician": 6}),
    Act(
        "lab.result.read", "lab_result", "lis", {"physician": 9, "nurse": 6, "lab": 20, "agent": 4}
    ),
    Act("lab.result.update", "lab_result", "lis", {"lab": 30, "service": 10}, "result"),
    Act("lab.result.approve", "lab_result", "lis", {"lab": 9}, "status"),
    Act("lab.result.import", "lab_result", "lis", {"service": 12, "api_key": 12}),
    Act("medication.order.create", "prescription", "ehr", {"physician": 6}),
    Act("medication.order.update", "prescription", "ehr", {"physician": 5, "pharmacy": 16}, "dose"),
    Act("medication.dose.administer", "prescription", "mar", {"nurse": 14}, "dose"),
    Act("medication.dispense", "prescription", "pharmacy", {"pharmacy": 22}, "stock"),
    Act(
        "medication.order.read", "prescription", "ehr", {"pharmacy": 20, "nurse": 8, "physician": 4}
    ),
    Act("medication.order.reject", "prescription", "ehr", {"physician": 1}, "status"),
    Act(
        "narcotics.cabinet.access", "device", "cabinet", {"nurse": 1.5, "pharmacy": 4}, denied=0.02
    ),
    Act("imaging.study.read", "imaging_study", "pacs", {"physician": 5, "agent": 3}),
    Act("imaging.study.create", "imaging_study", "pacs", {"service": 4}),
    Act("imaging.report.update", "imaging_study", "pacs", {"physician": 2}, "note"),
    Act("document.read", "document", "files", {"office": 16, "hr": 8, "billing": 8, "it": 4}),
    Act("document.update", "document", "files", {"office": 12, "billing": 3, "hr": 4}, "document"),
    Act("document.share", "document", "files", {"office": 3, "physician": 1}, "share", denied=0.03),
    Act("document.print", "document", "files", {"office": 4, "nurse": 1, "hr": 1}),
    Act("document.delete", "document", "files", {"office": 1, "service": 0.5}),
    Act("claim.create", "claim", "claims", {"billing": 10, "service": 6}),
    Act("claim.update", "claim", "claims", {"billing": 22, "service": 8, "api_key": 8}, "claim"),
    Act("claim.read", "claim", "claims", {"billing": 22, "api_key": 14}),
    Act("claim.approve", "claim", "claims", {"billing": 4}, "status"),
    Act("claim.batch.export", "claim", "claims", {"billing": 0.6, "service": 2}),
    Act("appointment.create", "appointment", "booking", {"office": 8, "api_key": 8}),
    Act("appointment.update", "appointment", "booking", {"office": 8, "api_key": 10}, "slot"),
    Act("appointment.reminder.send", "appointment", "booking", {"service": 10}),
    Act("payroll.record.read", "payroll_record", "payroll", {"hr": 18}, denied=0.02),
    Act("payroll.record.update", "payroll_record", "payroll", {"hr": 12}, "pay"),
    Act("payroll.record.create", "payroll_record", "payroll", {"service": 1, "hr": 2}),
    Act("payroll.run.approve", "payroll_record", "payroll", {"hr": 0.8}, "status"),
    Act("employee.record.read", "employee", "hr", {"hr": 16, "office": 2}),
    Act("employee.record.update", "employee", "hr", {"hr": 12, "service": 1}, "employee"),
    Act("employee.record.create", "employee", "hr", {"hr": 1}),
    Act("account.create", "account", "identity", {"it": 3, "service": 1}),
    Act("account.update", "account", "identity", {"it": 10, "service": 3}, "account"),
    Act("account.unlock", "account", "identity", {"it": 6}, "account"),
    Act("account.disable", "account", "identity", {"it": 2}, "account"),
    Act("role.grant", "role", "identity", {"it": 4}, "member", denied=0.03),
    Act("role.revoke", "role", "identity", {"it": 3}, "member"),
    Act("mfa.device.create", "account", "identity", {"it": 1, "nurse": 0.1, "office": 0.2}),
    Act("config.setting.update", "setting", "platform", {"it": 12, "service": 3}, "setting"),
    Act("config.setting.read", "setting", "platform", {"it": 10, "service": 8, "api_key": 6}),
    Act("device.firmware.update", "device", "platform", {"it": 4, "service": 3}, "firmware"),
    Act("device.console.access", "device", "platform", {"it": 6}, denied=0.02),
    Act("dataset.query", "dataset", "warehouse", {"it": 4, "service": 12, "api_key": 20}),
    Act("dataset.export", "dataset", "warehouse", {"service": 1, "api_key": 2, "billing": 0.4}),
    Act("backup.snapshot.create", "dataset", "backup", {"service": 3}),
    Act("patient.bundle.read", "patient_record", "fhir", {"service": 22, "api_key": 30}),
    Act(
        "patient.bundle.update", "patient_record", "fhir", {"service": 12, "api_key": 12}, "contact"
    ),
)
