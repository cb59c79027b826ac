"""The settings table: where values come from, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from indelible.base import settings
from indelible.base.errors import SettingsError
from indelible.base.settings import SETTINGS, Settings

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


def folder(tmp_path: Path, text: str = 'origin = "audit.example/a"\n') -> Path:
    (tmp_path / "indelible.toml").write_text(text)
    return tmp_path


ENV = {"HOME": "/home/ann"}


def test_defaults_are_the_tables_own(tmp_path: Path) -> None:
    loaded = settings.load(folder(tmp_path), ENV)
    for setting in SETTINGS.values():
        if setting.name not in ("origin", "keys", "state"):
            assert getattr(loaded, setting.name) == setting.default, setting.name


def test_environment_overrides_file_and_flag_overrides_both(tmp_path: Path) -> None:
    data = folder(tmp_path, 'origin = "a"\nport = 1\nhost = "::1"\nlog_level = "error"\n')
    env = {**ENV, "INDELIBLE_PORT": "2", "INDELIBLE_HOST": "127.0.0.2"}
    loaded = settings.load(data, env, {"port": 3, "host": None})
    assert (loaded.port, loaded.host, loaded.log_level) == (3, "127.0.0.2", "error")


def test_unknown_setting_in_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="did you mean 'query_workers'") as caught:
        settings.load(folder(tmp_path, 'origin = "a"\nquery_worker = 2\n'), ENV)
    assert caught.value.field == "query_worker"


def test_unknown_setting_in_environment_is_refused_and_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"INDELIBLE_PROT: .*'port'"):
        settings.load(folder(tmp_path), {**ENV, "INDELIBLE_PROT": "1"})


def test_variables_of_the_command_line_and_of_kubernetes_are_not_settings(tmp_path: Path) -> None:
    env = {**ENV, "INDELIBLE_TOKEN_FILE": "/t", "INDELIBLE_URL": "https://a.example",
           "INDELIBLE_SERVICE_HOST": "10.0.0.1",
           "INDELIBLE_PORT_8440_TCP": "tcp://10.0.0.1:8440"}
    assert settings.load(folder(tmp_path), env).port == 8440


def test_port_set_by_kubernetes_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(folder(tmp_path), {**ENV, "INDELIBLE_PORT": "tcp://10.0.0.1:8440"})
    assert "enableServiceLinks" in caught.value.remedy


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("port = 65536", "outside 0 to 65535"),
        ("port = true", "not of type integer"),
        ('port = "x"', "not of type integer"),
        ("publish = 1", "not of type boolean"),
        ('log_level = "loud"', "not one of debug"),
        ('seal_age = "tomorrow"', "not of type duration"),
        ('seal_age = "1s"', "outside 60"),
        ('trusted_proxies = ["10.0.0.0/33"]', "not an address or a block"),
        ('follow_paths = ["/var/log", "var/log"]', "'var/log' is not an absolute path"),
        ("host = 1", "not of type text"),
        ('tls_cert = "a.pem"', "belong together"),
        ('tls_client_ca = "a.pem"', "need tls_cert"),
        ("tls_client_optional = true", "needs tls_client_ca"),
        ("[port]\nx = 1", "not of type integer"),
    ],
)
def test_wrong_values_are_refused_and_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)):
        settings.load(folder(tmp_path, f'origin = "a"\n{line}\n'), ENV)


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\tb", "a\u00a0b", "x" * 256, "a\x7f"])
def test_unfit_origins_are_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(SettingsError):
        settings.check_origin(origin)


def test_folder_without_settings_says_how_to_make_a_ledger(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(tmp_path, ENV)
    assert "indelible init" in caught.value.remedy


def test_broken_toml_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not a TOML file"):
        settings.load(folder(tmp_path, "origin = \n"), ENV)


def test_default_folders_follow_xdg_and_percent_encode_the_origin(tmp_path: Path) -> None:
    env = {**ENV, "XDG_DATA_HOME": "/data", "XDG_STATE_HOME": "relative/is/ignored"}
    loaded = settings.load(folder(tmp_path), env)
    assert loaded.keys == Path("/data/indelible/keys/audit.example%2Fa")
    assert loaded.state == Path("/home/ann/.local/state/indelible/audit.example%2Fa")


@pytest.mark.parametrize("origin", [".", ".."])
def test_an_origin_of_dots_does_not_leave_its_folder(origin: str) -> None:
    assert set(settings.folder_name(origin)) == {"%", "2", "E"}


def test_an_origin_too_long_for_a_folder_asks_for_named_folders() -> None:
    with pytest.raises(SettingsError) as caught:
        settings.folder_name("é" * 100)
    assert "--keys" in caught.value.remedy


def test_paths_in_the_file_are_relative_to_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    data = folder(tmp_path / "data", 'origin = "a"\nkeys = "k"\n')
    monkeypatch.chdir(tmp_path)
    loaded = settings.load(data, {**ENV, "INDELIBLE_STATE": "s"})
    assert loaded.keys == data / "k"
    assert loaded.state == tmp_path / "s"


def test_durations_are_seconds_whatever_their_spelling(tmp_path: Path) -> None:
    data = folder(tmp_path, 'origin = "a"\nseal_age = "2h"\nverify_every = 7200\n')
    loaded = settings.load(data, {**ENV, "INDELIBLE_WITNESS_EVERY": "90s"})
    assert (loaded.seal_age, loaded.verify_every, loaded.witness_every) == (7200, 7200, 90)


def test_lists_are_comma_separated_in_the_environment(tmp_path: Path) -> None:
    env = {**ENV, "INDELIBLE_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}
    assert settings.load(folder(tmp_path), env).trusted_proxies == ("10.0.0.0/8", "::1")


WITHOUT_DEFAULT = r"tls_\w+|state|syslog_\w+|relp\w*|otlp_grpc"


def test_written_settings_load_back_and_list_every_setting(tmp_path: Path) -> None:
    origin = 'a"\\é'
    path = tmp_path / "indelible.toml"
    settings.write_initial(path, origin=origin, keys=tmp_path / "k", port=9000)
    loaded = settings.load(tmp_path, ENV)
    assert (loaded.origin, loaded.keys, loaded.port) == (origin, tmp_path / "k", 9000)
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    for name in SETTINGS:
        assert re.search(rf"^(# )?{name} = ", text, re.M), name
    uncommented = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.M)
    path.write_text(re.sub(rf"^({WITHOUT_DEFAULT}) = .*\n", "", uncommented, flags=re.M))
    assert settings.load(tmp_path, ENV).seal_age == SETTINGS["seal_age"].default


def test_writing_refuses_an_unknown_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        settings.write_initial(tmp_path / "indelible.toml", origin="a", prot=1)


@pytest.mark.parametrize(("host", "fine"), [("127.0.0.1", True), ("::1", True),
                                            ("localhost", True), ("0.0.0.0", False),
                                            ("audit.example", False)])
def test_listening_beyond_loopback_needs_tls(tmp_path: Path, host: str, fine: bool) -> None:
    loaded = settings.load(folder(tmp_path), ENV, {"host": host})
    if fine:
        settings.check_listening(loaded)
    else:
        with pytest.raises(SettingsError):
            settings.check_listening(loaded)
    settings.check_listening(
        settings.load(folder(tmp_path), ENV, {"host": host, "insecure_plaintext": True})
    )


@pytest.mark.parametrize(("at", "fine"), [("127.0.0.1:4317", True), ("[::1]:4317", True),
                                          ("localhost:4317", True), ("0.0.0.0:4317", False),
                                          ("[::]:4317", False)])
def test_grpc_beyond_loopback_needs_tls(tmp_path: Path, at: str, fine: bool) -> None:
    loaded = settings.load(folder(tmp_path), ENV, {"otlp_grpc": at})
    if fine:
        settings.check_listening(loaded)
    else:
        with pytest.raises(SettingsError) as raised:
            settings.check_listening(loaded)
        assert raised.value.field == "otlp_grpc"
    settings.check_listening(
        settings.load(folder(tmp_path), ENV, {"otlp_grpc": at, "insecure_plaintext": True})
    )


def test_every_setting_is_documented_with_its_default() -> None:
    text = REFERENCE.read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|", text, re.M))
    assert list(rows) == list(SETTINGS)
    for name, setting in SETTINGS.items():
        assert rows[name].strip() == settings.default_text(setting), name


def test_settings_are_immutable(tmp_path: Path) -> None:
    loaded: Settings = settings.load(folder(tmp_path), ENV)
    with pytest.raises(AttributeError):
        loaded.port = 1  # type: ignore[misc]
