"""The settings of a ledger: where their values come from, and how each is checked.

The table of all of them is `base.settings_table`. A value comes from, last wins: the default there,
`DIR/indelible.toml`, `INDELIBLE_NAME` in the environment, a flag. An unknown name is an error,
because a setting that is silently ignored is worse than none.

Paths in the file are relative to DIR, paths in the environment and in flags to the current folder.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec

from indelible.base.clock import MICROS, parse_duration
from indelible.base.errors import IndelibleError, SettingsError
from indelible.base.files import write_durably
from indelible.base.settings_table import (
    SETTINGS,
    About,
    Address,
    Seconds,
    Setting,
    Settings,
)

FILE_NAME = "indelible.toml"
ENVIRONMENT = "INDELIBLE_"
NOT_SETTINGS = frozenset({"TOKEN_FILE", "URL"})  # read by the command line, not by the server
_KUBERNETES = ("SERVICE_", "PORT_")  # set in every pod beside a Service named "indelible"

__all__ = [
    "SETTINGS", "About", "Address", "Seconds", "Setting", "Settings", "check_listening",
    "check_origin",
    "default_keys", "default_state", "folder_name", "load", "write_initial",
]


def _bad(name: str, message: str, remedy: str | None = None) -> SettingsError:
    return SettingsError(message, field=name, remedy=remedy)


def _parse(setting: Setting, value: object, base: Path, said_by: str) -> object:
    """`value` as the setting's type; texts are accepted for every type (environment, flags)."""
    name, kind = setting.name, setting.hint
    wrong = _bad(name, f"{said_by}: {name} = {value!r} is not of type {setting.type}")
    if kind is str:
        if not isinstance(value, str) or not value:
            raise wrong
        return value
    if kind is Path or kind == Path | None:
        if not isinstance(value, (str, Path)) or not str(value):
            raise wrong
        return base / Path(value).expanduser()
    if kind is bool:
        if isinstance(value, bool):
            return value
        known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if not isinstance(value, str) or value.lower() not in known:
            raise wrong
        return known[value.lower()]
    if kind == tuple[str, ...]:
        return _texts(value, wrong)
    if kind == Address | None:
        return _address(name, value, wrong)
    return _number(setting, value, wrong)


def _address(name: str, value: object, wrong: SettingsError) -> str:
    if not isinstance(value, str):
        raise wrong
    host, colon, port = value.rpartition(":")
    plain = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or not int(port) < 65_536 or (":" in plain) != (
        host != plain
    ):
        remedy = "Write HOST:PORT, such as 127.0.0.1:6514 or [::1]:6514."
        raise _bad(name, f"{wrong.message}: it is no address and port", remedy)
    if plain != "localhost":
        try:
            ipaddress.ip_address(plain)
        except ValueError as error:
            remedy = "Name the address of one of this machine's interfaces, or 0.0.0.0 for all."
            raise _bad(name, f"{wrong.message}: {plain!r} is no address", remedy) from error
    return value


def _texts(value: object, wrong: SettingsError) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise wrong


def _number(setting: Setting, value: object, wrong: SettingsError) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise wrong
    if isinstance(value, int):
        return value
    if re.fullmatch(r"\d{1,18}", value):
        return int(value)
    if setting.hint is Seconds:
        try:
            return parse_duration(value) // MICROS
        except IndelibleError as error:
            raise _bad(setting.name, wrong.message, error.remedy) from error
    if setting.name == "port" and "://" in value:
        raise _bad(
            "port", f"{wrong.message}: Kubernetes set it for a Service named 'indelible'",
            "Give the pod `enableServiceLinks: false`, or name the Service differently.",
        )
    raise wrong


def _check(setting: Setting, value: object, said_by: str) -> None:
    about, name = setting.about, setting.name
    if about.one_of and value not in about.one_of:
        raise _bad(name, f"{said_by}: {name} = {value!r} is not one of {', '.join(about.one_of)}")
    low, high = about.low, about.high
    if isinstance(value, int) and low is not None and high is not None and not low <= value <= high:
        unit = "seconds" if setting.hint is Seconds else about.unit
        bounds = f"{low} to {high} {unit}".strip()
        raise _bad(name, f"{said_by}: {name} = {value} is outside {bounds}")
    if name == "origin":
        check_origin(str(value))
    if name == "follow_paths" and isinstance(value, tuple):
        for folder in value:
            if not folder.startswith("/"):
                raise _bad(name, f"{said_by}: {folder!r} is not an absolute path")
    if name == "trusted_proxies" and isinstance(value, tuple):
        for block in value:
            try:
                ipaddress.ip_network(block, strict=False)
            except ValueError as error:
                raise _bad(name, f"{said_by}: {block!r} is not an address or a block") from error


def check_origin(origin: str) -> None:
    """Raise `SettingsError` unless `origin` may name a log (spec/log.md section 5)."""
    size = len(origin.encode("utf-8", "replace"))
    unfit = next((c for c in origin if c.isspace() or c == "+" or ord(c) < 32 or
                  127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000), None)
    if 1 <= size <= 255 and unfit is None:
        return
    why = f"it has {size} bytes" if unfit is None else f"{unfit!r} may not stand in it"
    raise _bad(
        "origin", f"{origin!r} cannot name a log: {why}",
        "Take 1 to 255 bytes without white space, control characters and `+`, such as "
        "audit.example.com/main.",
    )


def _known(name: str, said_by: str) -> Setting:
    if name in SETTINGS:
        return SETTINGS[name]
    near = difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise _bad(name, f"{said_by}: there is no setting {name!r}{hint}")


def _from_file(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(
            f"there is no ledger in {path.parent}: {FILE_NAME} is missing",
            remedy=f"Make one with `indelible init {path.parent} --origin NAME`.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not a TOML file: {error}") from error
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error


def _from_environment(env: Mapping[str, str]) -> dict[str, tuple[object, str]]:
    found: dict[str, tuple[object, str]] = {}
    for variable, value in env.items():
        rest = variable.removeprefix(ENVIRONMENT)
        if rest == variable or rest in NOT_SETTINGS or rest.startswith(_KUBERNETES):
            continue
        found[rest.lower()] = (value, variable)
    return found


def folder_name(origin: str) -> str:
    """`origin` percent-encoded as one folder name; raises `SettingsError` when it is too long."""
    name = quote(origin, safe="")
    if set(name) == {"."}:
        name = name.replace(".", "%2E")
    if len(name) > 255:
        raise _bad(
            "origin", f"{origin!r} is too long to name a folder",
            "Name the folders yourself with --keys and --state, or take a shorter origin.",
        )
    return name


def _home(env: Mapping[str, str], variable: str, fallback: str) -> Path:
    named = env.get(variable, "")
    if named and Path(named).is_absolute():  # the XDG specification: a relative path is ignored
        return Path(named)
    return Path(env.get("HOME") or Path.home()) / fallback


def default_keys(origin: str, env: Mapping[str, str]) -> Path:
    """Where the keyring of `origin` lies unless the settings say otherwise."""
    home = _home(env, "XDG_DATA_HOME", ".local/share")
    return home / "indelible" / "keys" / folder_name(origin)


def default_state(origin: str, env: Mapping[str, str]) -> Path:
    """Where the register of `origin` lies unless the settings say otherwise."""
    return _home(env, "XDG_STATE_HOME", ".local/state") / "indelible" / folder_name(origin)


def load(
    data: Path, env: Mapping[str, str], flags: Mapping[str, object] | None = None
) -> Settings:
    """The settings of the ledger in folder `data`; flags that are None were not given.

    Raises `SettingsError` for an unknown name (with the nearest known one), a value of the wrong
    type or out of range, and a folder without `indelible.toml`.
    """
    path = data / FILE_NAME
    said: list[tuple[str, object, Path, str]] = [
        (name, value, data.absolute(), str(path)) for name, value in _from_file(path).items()
    ]
    here = Path.cwd()
    for name, (text, variable) in _from_environment(env).items():
        said.append((name, text, here, variable))
    for name, given in (flags or {}).items():
        if given is not None:
            said.append((name, given, here, f"--{name.replace('_', '-')}"))
    values: dict[str, object] = {}
    for name, value, base, said_by in said:
        setting = _known(name, said_by)
        parsed = _parse(setting, value, base, said_by)
        _check(setting, parsed, said_by)
        values[name] = parsed
    return _complete(values, path, env)


def _complete(values: dict[str, object], path: Path, env: Mapping[str, str]) -> Settings:
    if "origin" not in values:
        raise _bad("origin", f"{path}: the setting origin is missing")
    origin = str(values["origin"])
    if "keys" not in values:
        values["keys"] = default_keys(origin, env)
    if "state" not in values:
        values["state"] = default_state(origin, env)
    if ("tls_cert" in values) != ("tls_key" in values):
        raise _bad("tls_cert", "tls_cert and tls_key belong together; one is missing")
    for name in ("syslog_tls", "relp_tls"):
        if name in values and "tls_cert" not in values:
            raise _bad(name, f"{name} needs tls_cert and tls_key")
    if "tls_client_ca" in values and "tls_cert" not in values:
        raise _bad("tls_client_ca", "client certificates need tls_cert and tls_key")
    if values.get("tls_client_optional") and "tls_client_ca" not in values:
        raise _bad("tls_client_optional", "tls_client_optional needs tls_client_ca")
    return msgspec.convert(values, Settings, dec_hook=_keep)


def _keep(_kind: type, value: object) -> object:
    return value


def _duration_text(seconds: int) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _toml(setting: Setting, value: object) -> str:
    """`value` as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f'"{_duration_text(value)}"' if setting.hint is Seconds else str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(setting, part) for part in value) + "]"
    return json.dumps("" if value is None else str(value), ensure_ascii=False)


def default_text(setting: Setting) -> str:
    """The default as documentation shows it."""
    if setting.default is None:
        return "none"
    return f"`{_toml(setting, setting.default)}`"


def write_initial(path: Path, **values: object) -> None:
    """Write a new settings file durably: the given values set, every other setting as a comment.

    Raises `SettingsError` for a name or a value that `load` would refuse.
    """
    lines = ["# Settings of this ledger. What is commented out shows the default.",
             "# INDELIBLE_NAME in the environment and flags of `indelible serve` come after these.",
             ""]
    for name in values:
        _known(name, str(path))
    for setting in SETTINGS.values():
        lines.append(f"# {setting.about.help}")
        given = values.get(setting.name)
        if given is None:
            lines.append(f"# {setting.name} = {_toml(setting, setting.default)}")
        else:
            parsed = _parse(setting, given, path.parent.absolute(), str(path))
            _check(setting, parsed, str(path))
            lines.append(f"{setting.name} = {_toml(setting, parsed)}")
        lines.append("")
    write_durably(path, "\n".join(lines).encode())


def check_listening(settings: Settings) -> None:
    """Raise `SettingsError` when tokens would cross the network in clear."""
    if settings.tls_cert is not None or settings.insecure_plaintext:
        return
    grpc = (settings.otlp_grpc or "localhost:0").rpartition(":")[0]
    for name, host in (("host", settings.host), ("otlp_grpc", grpc.strip("[]"))):
        try:
            loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            loopback = host == "localhost"
        if not loopback:
            raise _bad(
                name, f"listening on {host} without TLS would send tokens in clear",
                "Set tls_cert and tls_key, or insecure_plaintext when a proxy in front speaks TLS.",
            )
