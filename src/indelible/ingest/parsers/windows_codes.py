"""What the numbers in Windows events stand for. Data, and the few functions that read it. Pure.

Statuses are NTSTATUS values (MS-ERREF 2.3) and Kerberos errors (RFC 4120, 7.5.9); logon types are
those of the documentation of event 4624; `%%2313` and the like are messages of `msobjs.dll`, which
Windows fills in when it renders an event, and which travel unrendered in XML.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from indelible.base.limits import NAME_CHARS, REMEMBERED
from indelible.event.model import Outcome


class Status(NamedTuple):
    """How something ended: the code in its usual spelling, a text, and what it means."""

    code: str
    text: str
    outcome: Outcome


_NT: Final = {
    0x80090302: "the function is not supported",
    0x80090308: "the token is invalid",
    0x8009030C: "the logon attempt failed",
    0x8009030E: "no credentials are available",
    0xC0000005: "access violation",
    0xC0000022: "access denied !",
    0xC000005E: "no logon server is available",
    0xC0000064: "no such user",
    0xC000006A: "wrong password",
    0xC000006C: "the new password breaks the password rules",
    0xC000006D: "unknown user name or wrong password",
    0xC000006E: "the account may not log on: a restriction forbids it !",
    0xC000006F: "outside of the hours allowed to the account !",
    0xC0000070: "the account may not log on at this workstation !",
    0xC0000071: "the password has expired",
    0xC0000072: "the account is disabled !",
    0xC00000DC: "the SAM server is in the wrong state",
    0xC000010B: "no such logon type",
    0xC0000133: "the clocks are too far apart",
    0xC000015B: "the account has not been granted this logon type here !",
    0xC000018A: "no trust secret on the workstation",
    0xC000018B: "the domain has no account for the computer",
    0xC000018C: "the trust between the domains failed",
    0xC000018D: "the trust between workstation and domain failed",
    0xC0000192: "the Netlogon service is not started",
    0xC0000193: "the account has expired !",
    0xC0000198: "an account of a domain trust cannot log on !",
    0xC0000199: "a computer account cannot log on !",
    0xC000019A: "an account of a server trust cannot log on !",
    0xC0000224: "the password must be changed first",
    0xC0000225: "not found",
    0xC0000233: "no domain controller was found",
    0xC0000234: "the account is locked out !",
    0xC00002EE: "an error occurred during logon",
    0xC0000371: "the account store holds no secret of the account",
    0xC0000380: "wrong PIN",
    0xC0000381: "the smart card is blocked !",
    0xC0000388: "a downgrade of security was detected",
    0xC0000413: "an authentication firewall protects the computer !",
    0xC0000418: "NTLM authentication is blocked !",
}
"""NTSTATUS to text. A mark at the end: the account is known and is kept out by a rule or by its
state, whatever was typed; all others are wrong credentials, or trouble."""

_KERBEROS: Final = {
    0x1: "KDC_ERR_NAME_EXP: the client's entry has expired !",
    0x2: "KDC_ERR_SERVICE_EXP: the service's entry has expired",
    0x3: "KDC_ERR_BAD_PVNO: protocol version not supported",
    0x6: "KDC_ERR_C_PRINCIPAL_UNKNOWN: no such user",
    0x7: "KDC_ERR_S_PRINCIPAL_UNKNOWN: no such service",
    0x8: "KDC_ERR_PRINCIPAL_NOT_UNIQUE: several entries of that name",
    0x9: "KDC_ERR_NULL_KEY: no key",
    0xA: "KDC_ERR_CANNOT_POSTDATE: the ticket cannot be postdated",
    0xB: "KDC_ERR_NEVER_VALID: the ticket would never be valid",
    0xC: "KDC_ERR_POLICY: a rule of the domain forbids it !",
    0xD: "KDC_ERR_BADOPTION: the request's options cannot be met",
    0xE: "KDC_ERR_ETYPE_NOTSUPP: encryption type not supported",
    0xF: "KDC_ERR_SUMTYPE_NOSUPP: checksum type not supported",
    0x10: "KDC_ERR_PADATA_TYPE_NOSUPP: pre-authentication type not supported",
    0x12: "KDC_ERR_CLIENT_REVOKED: the account is disabled, expired or locked out !",
    0x13: "KDC_ERR_SERVICE_REVOKED: the service's account is revoked",
    0x14: "KDC_ERR_TGT_REVOKED: the ticket is revoked !",
    0x15: "KDC_ERR_CLIENT_NOTYET: the account is not yet valid !",
    0x16: "KDC_ERR_SERVICE_NOTYET: the service is not yet valid",
    0x17: "KDC_ERR_KEY_EXPIRED: the password has expired",
    0x18: "KDC_ERR_PREAUTH_FAILED: wrong password",
    0x19: "KDC_ERR_PREAUTH_REQUIRED: pre-authentication required",
    0x1A: "KDC_ERR_SERVER_NOMATCH: the ticket is for another server",
    0x1B: "KDC_ERR_MUST_USE_USER2USER: only user to user",
    0x1D: "KDC_ERR_SVC_UNAVAILABLE: a service is not available",
    0x1F: "KRB_AP_ERR_BAD_INTEGRITY: integrity check failed",
    0x20: "KRB_AP_ERR_TKT_EXPIRED: the ticket has expired",
    0x21: "KRB_AP_ERR_TKT_NYV: the ticket is not yet valid",
    0x22: "KRB_AP_ERR_REPEAT: the request is a replay",
    0x23: "KRB_AP_ERR_NOT_US: the ticket is for another",
    0x24: "KRB_AP_ERR_BADMATCH: ticket and authenticator do not match",
    0x25: "KRB_AP_ERR_SKEW: the clocks are too far apart",
    0x26: "KRB_AP_ERR_BADADDR: wrong network address",
    0x29: "KRB_AP_ERR_MODIFIED: the message was modified",
    0x3C: "KRB_ERR_GENERIC: error",
    0x3D: "KRB_ERR_FIELD_TOOLONG: a field is too long",
    0x3E: "KDC_ERR_CLIENT_NOT_TRUSTED: the client's certificate is not trusted",
    0x3F: "KDC_ERR_KDC_NOT_TRUSTED: no certificate that both trust",
    0x40: "KDC_ERR_INVALID_SIG: invalid signature",
    0x44: "KDC_ERR_WRONG_REALM: wrong realm",
}
"""As `_NT`, for the result codes of the key distribution centre."""


@lru_cache(maxsize=REMEMBERED)
def status_of(value: str) -> Status | None:
    """What a status says, None where it says nothing or success. `0xc0000064`, in any case."""
    number = number_of(value)
    if not number:
        return None
    known = _NT.get(number) or _KERBEROS.get(number) or ""
    text = known.removesuffix(" !")
    outcome = Outcome.FAILURE if text == known else Outcome.DENIED
    return Status(f"0x{number:08X}" if number > 0xFF else f"0x{number:X}", text, outcome)


_HEX: Final = re.compile(r"0[xX][0-9a-fA-F]{1,16}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,19}")


def number_of(value: str) -> int | None:
    """`value` in hexadecimal (`0x...`) or decimal; a negative one as 32 bits without sign."""
    value = value.strip()
    if _HEX.fullmatch(value):
        return int(value, 16)
    if _DECIMAL.fullmatch(value):
        number = int(value)
        return number if number >= 0 else number & 0xFFFFFFFF
    return None


LOGON_TYPES: Final = {
    0: "system", 2: "interactive", 3: "network", 4: "batch", 5: "service", 6: "proxy",
    7: "unlock", 8: "network_cleartext", 9: "new_credentials", 10: "remote_interactive",
    11: "cached_interactive", 12: "cached_remote_interactive", 13: "cached_unlock",
}

UAC_FLAGS: Final = (
    "AccountDisabled", "HomeDirectoryRequired", "PasswordNotRequired", "TempDuplicateAccount",
    "NormalAccount", "MNSLogonAccount", "InterdomainTrustAccount", "WorkstationTrustAccount",
    "ServerTrustAccount", "DontExpirePassword", "AccountLocked", "EncryptedTextPasswordAllowed",
    "SmartcardRequired", "TrustedForDelegation", "NotDelegated", "UseDESKeyOnly",
    "DontRequirePreauth", "PasswordExpired", "TrustedToAuthenticateForDelegation",
    "ExcludeAuthorizationInformation", "PartialSecretsAccount", "UseAESKeys",
)
"""Bits of `OldUacValue` and `NewUacValue`, the lowest first; not those of the LDAP attribute."""

NOT_SET: Final = frozenset(("%%1793", "<value not set>"))
"""How an attribute without a value is written, as a number and rendered."""

_TEXTS: Final = """
1537 DELETE|1538 READ_CONTROL|1539 WRITE_DAC|1540 WRITE_OWNER|1541 SYNCHRONIZE|1542 ACCESS_SYS_SEC
1552 MAX_ALLOWED|1792 value changed|1793 <value not set>|1794 <never>|1795 Enabled|1796 Disabled
1797 All|1798 None|1801 Granted by|1802 Denied by|1804 Granted by Ownership|1805 Not granted
1811 Granted by ACE on parent folder|1812 Denied by ACE on parent folder
1832 Identification|1833 Impersonation|1840 Delegation|1842 Yes|1843 No|1844 System
1872 REG_NONE|1873 REG_SZ|1874 REG_EXPAND_SZ|1875 REG_BINARY|1876 REG_DWORD
1877 REG_DWORD_BIG_ENDIAN|1878 REG_LINK|1879 REG_MULTI_SZ|1883 REG_QWORD
1904 New registry value created|1905 Existing registry value modified|1906 Registry value deleted
1936 default|1937 full|1938 limited
2304 An error occurred during logon|2305 The account has expired|2306 Netlogon is not active
2307 Account locked out|2308 Logon type not granted at this machine|2309 The password has expired
2310 Account currently disabled|2311 Outside of the allowed logon hours
2312 Not allowed to log on at this computer|2313 Unknown user name or bad password
2314 Domain SID inconsistent|2315 A smart card is required and was not used
2456 Open key file|2457 Delete key file|2458 Read persisted key from file
2459 Write persisted key to file|2464 Export of persistent cryptographic key
2465 Import of persistent cryptographic key|2480 Open Key|2481 Create Key|2482 Delete Key
2483 Encrypt|2484 Decrypt|2485 Sign hash|2486 Secret agreement|2499 Machine key|2500 User key
4416 ReadData|4417 WriteData|4418 AppendData|4419 ReadEA|4420 WriteEA|4421 Execute
4422 DeleteChild|4423 ReadAttributes|4424 WriteAttributes
4432 QueryValue|4433 SetValue|4434 CreateSubKey|4435 EnumerateSubKeys|4436 Notify|4437 CreateLink
4480 TerminateProcess|4481 CreateThread|4483 OperateMemory|4484 ReadMemory|4485 WriteMemory
4486 DuplicateHandle|4487 CreateProcess|4489 SetInformation|4490 QueryInformation
5376 ConnectToServer|5379 CreateDomain|5380 EnumerateDomains|5381 LookupDomain
5392 ReadPasswordParameters|5393 WritePasswordParameters|5394 ReadOtherParameters
5395 WriteOtherParameters|5396 CreateUser|5397 CreateGlobalGroup|5398 CreateLocalGroup
5399 GetLocalGroupMembership|5400 ListAccounts|5401 LookupIDs|5402 AdministerServer
5408 ReadInformation|5409 WriteAccount|5410 AddMember|5411 RemoveMember|5412 ListMembers
5424 AddMember|5425 RemoveMember|5426 ListMembers|5427 ReadInformation|5428 WriteAccount
5440 ReadGeneralInformation|5441 ReadPreferences|5442 WritePreferences|5443 ReadLogon
5444 ReadAccount|5445 WriteAccount|5446 ChangePassword|5447 SetPassword|5448 ListGroups
5449 ReadGroupMembership|5450 ChangeGroupMembership
7168 ConnectToServiceController|7169 CreateService|7184 QueryServiceConfiguration
7185 SetServiceConfiguration|7186 QueryServiceStatus|7188 StartService|7189 StopService
7680 CreateChild|7681 DeleteChild|7682 ListContents|7683 WriteSelf|7684 ReadProperty
7685 WriteProperty|7686 DeleteTree|7687 ListObject|7688 ControlAccess
8100 Enumerate Credentials|8099 Read Credential
8272 System|8273 Logon/Logoff|8274 Object Access|8275 Privilege Use|8276 Detailed Tracking
8277 Policy Change|8278 Account Management|8279 DS Access|8280 Account Logon
8448 Success removed|8449 Success added|8450 Failure removed|8451 Failure added
8452 Success include removed|8453 Success include added|8454 Success exclude removed
8455 Success exclude added|8456 Failure include removed|8457 Failure include added
8458 Failure exclude removed|8459 Failure exclude added
12288 Security State Change|12289 Security System Extension|12290 System Integrity
12291 IPsec Driver|12292 Other System Events|12544 Logon|12545 Logoff|12546 Account Lockout
12547 IPsec Main Mode|12548 Special Logon|12549 IPsec Quick Mode|12550 IPsec Extended Mode
12551 Other Logon/Logoff Events|12552 Network Policy Server|12553 User / Device Claims
12554 Group Membership|12800 File System|12801 Registry|12802 Kernel Object|12803 SAM
12804 Other Object Access Events|12805 Certification Services|12806 Application Generated
12807 Handle Manipulation|12808 File Share|12809 Filtering Platform Packet Drop
12810 Filtering Platform Connection|12811 Detailed File Share|12812 Removable Storage
12813 Central Policy Staging|13056 Sensitive Privilege Use|13057 Non Sensitive Privilege Use
13058 Other Privilege Use Events|13312 Process Creation|13313 Process Termination
13314 DPAPI Activity|13315 RPC Events|13316 Plug and Play Events
13317 Token Right Adjusted Events|13568 Audit Policy Change|13569 Authentication Policy Change
13570 Authorization Policy Change|13571 MPSSVC Rule-Level Policy Change
13572 Filtering Platform Policy Change|13573 Other Policy Change Events
13824 User Account Management|13825 Computer Account Management|13826 Security Group Management
13827 Distribution Group Management|13828 Application Group Management
13829 Other Account Management Events|14080 Directory Service Access
14081 Directory Service Changes|14082 Directory Service Replication
14083 Detailed Directory Service Replication|14336 Credential Validation
14337 Kerberos Service Ticket Operations|14338 Other Account Logon Events
14339 Kerberos Authentication Service|14592 Inbound|14593 Outbound|14594 Forward
14597 Transport|14608 Resource Assignment|14609 Listen|14610 Receive/Accept|14611 Connect
14672 <Binary>|14673 [NULL]|14674 Value Added|14675 Value Deleted
14676 Active Directory Domain Services|14677 Active Directory Lightweight Directory Services
14678 Yes|14679 No|14680 Value Added With Expiration Time
14681 Value Deleted With Expiration Time|14688 Value Auto Deleted With Expiration Time
"""


def _uac_texts() -> dict[str, str]:
    """2048 and up: a flag is off; 2080 and up: it is on. `Account Enabled` is a flag off."""
    off = {str(2048 + bit): f"{flag} off" for bit, flag in enumerate(UAC_FLAGS)}
    on = {str(2080 + bit): f"{flag} on" for bit, flag in enumerate(UAC_FLAGS)}
    return {**off, **on}


def _table() -> dict[str, str]:
    pairs = (row.strip().partition(" ") for line in _TEXTS.split("\n") for row in line.split("|"))
    return {number: text for number, _, text in pairs if number} | _uac_texts()


MESSAGES: Final = _table()
"""Number to text, of `%%NUMBER`."""
_MESSAGE: Final = re.compile(r"%%([0-9]{1,10})")


def rendered(value: str) -> str:
    """`value` with each known `%%NUMBER` written out; an unknown one stays as it is."""
    if "%%" not in value:
        return value
    return _rendered(value) if len(value) <= NAME_CHARS else _rendered.__wrapped__(value)


@lru_cache(maxsize=REMEMBERED)
def _rendered(value: str) -> str:
    return _MESSAGE.sub(lambda found: MESSAGES.get(found[1], found[0]), value)


def listed(value: str) -> tuple[str, ...]:
    """The parts of `%%4416\\r\\n\\t\\t%%4417`, of `SeBackupPrivilege\\n\\t\\tSeDebugPrivilege`.

    Rendered lists, whose parts have spaces within, are told apart by line.
    """
    return _listed(value) if len(value) <= NAME_CHARS else _listed.__wrapped__(value)


@lru_cache(maxsize=REMEMBERED)
def _listed(value: str) -> tuple[str, ...]:
    if "\n" in value or "\t" in value:
        parts = re.split(r"[\r\n\t]+", value)
    else:
        parts = value.split() if "%%" in value else re.split(r", *", value)
    words = (part.strip(" ,") for part in parts)
    return tuple(rendered(word) for word in words if word not in ("", "-"))
