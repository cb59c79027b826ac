"""What a record of Microsoft 365's unified audit log says was touched, workload by workload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Final

from indelible.base.limits import ACTION_CHARS
from indelible.event.model import Target
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.contract import Record
from indelible.ingest.parsers.entra_audit import ends, kind_of
from indelible.ingest.parsers.m365_actor import identity

_NOTHING: Final = frozenset(("", "Not Available", "Unknown", "Unknown (Unknown)"))
_ITEMS: Final = MappingProxyType({
    "file": "sharepoint_file", "1": "sharepoint_file", "folder": "sharepoint_folder",
    "5": "sharepoint_folder", "web": "sharepoint_web", "6": "sharepoint_web",
    "site": "sharepoint_site", "7": "sharepoint_site", "page": "sharepoint_page",
    "11": "sharepoint_page", "list": "sharepoint_list", "documentlibrary": "sharepoint_library",
    "9": "sharepoint_library", "listitem": "sharepoint_list_item", "tenant": "sharepoint_tenant",
    "8": "sharepoint_tenant",
})
_NOUNS: Final = MappingProxyType({
    "mailbox": "exchange_mailbox", "mailboxpermission": "exchange_mailbox",
    "mailboxfolderpermission": "exchange_folder", "recipientpermission": "exchange_mailbox",
    "mailboxautoreplyconfiguration": "exchange_mailbox", "casmailbox": "exchange_mailbox",
    "mailuser": "exchange_mail_user", "user": "entra_user", "mailboxexportrequest":
    "exchange_mailbox", "rolegroupmember": "exchange_role_group", "distributiongroupmember":
    "exchange_distribution_group", "unifiedgrouplinks": "exchange_unified_group",
})
_POWERBI: Final = (
    ("powerbi_report", "ReportId", "ReportName"),
    ("powerbi_dashboard", "DashboardId", "DashboardName"),
    ("powerbi_dataset", "DatasetId", "DatasetName"),
    ("powerbi_dataflow", "DataflowId", "DataflowName"),
    ("powerbi_workspace", "WorkspaceId", "WorkSpaceName"),
)


def targets_of(said: Record, service: str, name: str) -> Iterator[Target]:
    """The targets of one record, the main one first; the object it names where nothing is known."""
    read = _READERS.get(service)
    found = list(read(said, name)) if read is not None else []
    yield from found
    if not found:
        ident = pick.text(said, "ObjectId")
        if ident not in _NOTHING:
            yield from pick.target(f"{service}_object", ident, pick.text(said, "ItemName"))


def _entra(said: Record, name: str) -> Iterator[Target]:
    """The directory's objects; of a sign-in, the application."""
    parts = pick.items(said, "Target")
    if name.lower() in ("userloggedin", "userloginfailed"):
        for ident in (pick.text(said, "ApplicationId"), pick.text(said, "ObjectId"),
                      identity(parts, "0")):
            if ident not in _NOTHING:
                yield from pick.target("entra_application", ident)
        return
    kind = guid = ""
    for one in parts:
        if pick.word(one, "Type") == "2":
            value = pick.text(one, "ID")
            front, _, rest = value.partition("_")
            if rest and kind_of(front) and front.isalpha():
                kind, guid = front, rest
    upn, shown = identity(parts, "5"), identity(parts, "1")
    ident = upn or guid or identity(parts, "4")
    if not ident:
        ident = pick.text(said, "ObjectId")
        ident = "" if ident in _NOTHING else ident
    yield from pick.target(
        kind_of(kind) or ("entra_user" if upn or "@" in ident else "entra_object"), ident,
        shown if shown != ident else "",
    )
    yield from ends(
        pick.items(said, "ModifiedProperties"), "Name", "OldValue", "NewValue"
    )


def _exchange(said: Record, name: str) -> Iterator[Target]:
    """The mailbox and its items, or what a cmdlet was run on."""
    if "-" in name:
        yield from _cmdlet(said, name)
        return
    owner = pick.text(said, "MailboxOwnerUPN", "MailboxGuid")
    yield from pick.target("exchange_mailbox", owner)
    for member in ("SendAsUserSmtp", "SendOnBehalfOfUserSmtp"):
        yield from pick.target("exchange_mailbox", pick.text(said, member))
    item = pick.member(said, "Item")
    yield from _item(item, owner)
    right = pick.text(pick.member(item, "ParentFolder"), "MemberUpn")
    yield from pick.target("entra_user", right)
    for one in pick.items(said, "AffectedItems"):
        yield from _item(one, owner)
    for folder in pick.items(said, "Folders"):
        for one in pick.items(folder, "FolderItems"):
            yield from _item(one, owner)


def _item(item: object, owner: str) -> Iterator[Target]:
    ident = pick.text(item, "InternetMessageId", "Id")
    yield from pick.target("exchange_item", ident, pick.text(item, "Subject"), owner)


def _cmdlet(said: Record, name: str) -> Iterator[Target]:
    """The object of a cmdlet, and who is given or loses something by it."""
    noun = name.partition("-")[2].lower()
    given: dict[str, str] = {}
    for one in pick.items(said, "Parameters"):
        key, value = pick.text(one, "Name").lower(), pick.text(one, "Value")
        if key and value:
            given.setdefault(key, value)
    kind = _NOUNS.get(noun) or f"exchange_{_noun(name)}"
    ident = given.get("identity", "")
    named = pick.text(said, "ObjectId")
    if noun == "inboxrule":
        label = given.get("name", "") or _leaf(ident or named)
        owner = given.get("mailbox", "") or pick.text(said, "UserId")
        yield from pick.target(kind, label, "", owner)
        return
    if "@" not in ident:
        ident = _leaf(named) or _leaf(ident) or given.get("name", "")
    yield from pick.target(kind, ident, pick.text(said, "ModifiedObjectResolvedName"))
    for key in ("user", "member", "trustee", "granteddelegate"):
        yield from pick.target("entra_user", given.get(key, ""))


def _noun(name: str) -> str:
    """What a cmdlet is about, in words."""
    return pick.part(name.partition("-")[2])[:ACTION_CHARS]


def _leaf(path: str) -> str:
    """The last part of a distinguished path of Exchange, or of `tenant\\name`."""
    return "" if path in _NOTHING else path.rpartition("/")[2].rpartition("\\")[2]


def _sharepoint(said: Record, name: str) -> Iterator[Target]:
    """The file, folder or site by its address, and with whom it was shared."""
    site, ident = pick.text(said, "SiteUrl").rstrip("/"), pick.text(said, "ObjectId")
    kind = _ITEMS.get(pick.word(said, "ItemType").lower(), "sharepoint_item")
    if ident not in _NOTHING:
        own = ident.rstrip("/")
        yield from pick.target(
            kind, ident, pick.text(said, "SourceFileName", "ListTitle"),
            site if site and site != own else "",
        )
    who = pick.text(said, "TargetUserOrGroupName", "UserSharedWith")
    sort = pick.text(said, "TargetUserOrGroupType")
    person = sort in ("Member", "Guest", "Partner", "") and "\\" not in who
    yield from pick.target("entra_user" if person else "sharepoint_group", who)


def _teams(said: Record, name: str) -> Iterator[Target]:
    """The team, the channel and the chat, and whose membership changed."""
    team = pick.text(said, "TeamGuid")
    channel = pick.text(said, "ChannelGuid")
    yield from pick.target("teams_channel", channel, pick.text(said, "ChannelName"), team)
    yield from pick.target("teams_team", team, pick.text(said, "TeamName"))
    yield from pick.target("teams_chat", pick.text(said, "ChatThreadId"), pick.text(
        said, "ChatName"
    ))
    yield from pick.target("teams_message", pick.text(said, "MessageId"), "", channel or team)
    yield from pick.target("teams_add_on", pick.text(said, "AddOnGuid"), pick.text(
        said, "AddOnName"
    ))
    for one in pick.items(said, "Members"):
        yield from pick.target("entra_user", pick.text(one, "UPN"), pick.text(one, "DisplayName"))


def _powerbi(said: Record, name: str) -> Iterator[Target]:
    for kind, key, shown in _POWERBI:
        yield from pick.target(kind, pick.text(said, key), pick.text(said, shown))
    yield from pick.target("powerbi_item", pick.text(said, "ArtifactId"), pick.text(
        said, "ArtifactName", "ItemName"
    ))
    for part in pick.items(said, "SharingInformation"):
        yield from pick.target("entra_user", pick.text(part, "RecipientEmail"))


def _compliance(said: Record, name: str) -> Iterator[Target]:
    """An alert, what a rule against data loss found, a case or a search."""
    yield from pick.target("compliance_alert", pick.text(said, "AlertId"), pick.text(said, "Name"))
    if pick.text(said, "EntityType").lower() in ("user", "recipients", "sender"):
        yield from pick.target("entra_user", pick.text(said, "AlertEntityId"))
    yield from pick.target("compliance_case", pick.text(said, "CaseId", "Case"), pick.text(
        said, "CaseName"
    ))
    yield from _lost(said)
    if "-" in name:
        yield from pick.target(
            f"compliance_{_noun(name)}", _leaf(pick.text(said, "ObjectId"))
        )


def _lost(said: Record) -> Iterator[Target]:
    """The document or the message that a DLP rule matched, and the rules."""
    file, mail = pick.member(said, "SharePointMetaData"), pick.member(said, "ExchangeMetaData")
    yield from pick.target(
        "sharepoint_file", pick.text(file, "FilePathUrl"), pick.text(file, "FileName"),
        pick.text(file, "SiteCollectionUrl"),
    )
    yield from pick.target(
        "exchange_item", pick.text(mail, "MessageID"), pick.text(mail, "Subject")
    )
    for part in pick.items(said, "PolicyDetails"):
        for rule in pick.items(part, "Rules"):
            yield from pick.target(
                "compliance_dlp_rule", pick.text(rule, "RuleId", "RuleName"),
                pick.text(rule, "RuleName"), pick.text(part, "PolicyName"),
            )


_READERS: Final[MappingProxyType[str, Callable[[Record, str], Iterator[Target]]]] = (
    MappingProxyType({
        "entra": _entra, "exchange": _exchange, "sharepoint": _sharepoint,
        "onedrive": _sharepoint, "teams": _teams, "powerbi": _powerbi, "compliance": _compliance,
    })
)
