"""Settings: precedence, refusals, and what is never shown."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from greffier_server.errors import SettingsInvalid
from greffier_server.settings import LanguageModelSettings, Settings, hash_token, is_loopback
from greffier_server.settings_sources import effective, load_settings, reference_table

pytestmark = pytest.mark.unit

TOKEN = "sixteen-characters"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("GREFFIER_"):
            monkeypatch.delenv(name)


def written(folder: Path, text: str) -> Path:
    path = folder / "greffier.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_over_environment_over_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(
        tmp_path, 'port = 1\nhost = "localhost"\n[limits]\nmax_sessions = 1\ngrace_s = 1'
    )
    monkeypatch.setenv("GREFFIER_PORT", "2")
    monkeypatch.setenv("GREFFIER_LIMITS__MAX_SESSIONS", "2")
    settings = load_settings(flags={"port": 3, "limits": {"grace_s": None}}, config=file)
    assert settings.port == 3
    assert settings.limits.max_sessions == 2
    assert settings.limits.grace_s == 1
    assert settings.host == "localhost"
    assert settings.limits.buffer_ms == 30_000
    assert settings.config == file


def test_the_file_may_be_named_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREFFIER_CONFIG", str(written(tmp_path, "port = 7")))
    assert load_settings().port == 7


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("prot = 1", "prot: no such setting; did you mean port?"),
        ("[recognition]\nmodle = 'x'", "did you mean recognition.model?"),
        ("port = 'x'", "port: "),
        ("port = 70000", "port: "),
        ("port = ", "not TOML"),
        ("[tls]\nkey = 'k.pem'", "both certificate and key"),
        ("retention_days = 0", "retention_days: "),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(config=written(tmp_path, text))
    assert part in refused.value.message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        load_settings(config=tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("variable", "part"),
    [
        ("GREFFIER_PROT", "did you mean GREFFIER_PORT?"),
        ("GREFFIER_RECOGNITION__MODLE", "did you mean GREFFIER_RECOGNITION__MODEL?"),
        ("GREFFIER_ZZZZZZZZ", "no such setting"),
    ],
)
def test_an_unknown_variable_is_refused(
    variable: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    assert part in refused.value.message


@pytest.mark.parametrize(
    "variable", ["GREFFIER_TOKEN", "GREFFIER_SERVER", "GREFFIER_MODELS_SOURCES"]
)
def test_variables_of_others_are_left_alone(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "x")
    assert load_settings().tokens == ()


def test_listening_elsewhere_without_tokens_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="GREFFIER_TOKENS=tenant:token"):
        load_settings(flags={"host": "0.0.0.0"})  # noqa: S104
    flags = {"host": "0.0.0.0", "tokens": {"a": TOKEN}}  # noqa: S104
    assert load_settings(flags=flags).tokens[0].tenant == "a"


@pytest.mark.parametrize(
    "value", [f"a:{TOKEN}", json.dumps({"a": TOKEN}), json.dumps([f"a:{TOKEN}"])]
)
def test_tokens_from_the_environment(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREFFIER_TOKENS", value)
    (token,) = load_settings().tokens
    assert (token.tenant, token.digest) == ("a", hash_token(TOKEN))


def test_tokens_from_a_file(tmp_path: Path) -> None:
    file = written(tmp_path, f'[tokens]\na = "{TOKEN}"\nb = ["{TOKEN}1", "{hash_token("x")}"]')
    digests = [(token.tenant, token.digest) for token in load_settings(config=file).tokens]
    assert digests == [
        ("a", hash_token(TOKEN)),
        ("b", hash_token(TOKEN + "1")),
        ("b", hash_token("x")),
    ]


@pytest.mark.parametrize("value", ["short", "a:short", f"bad tenant:{TOKEN}", f":{TOKEN}", [3]])
def test_bad_tokens_are_refused_and_not_repeated(value: object) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(flags={"tokens": value})
    assert TOKEN not in refused.value.message
    assert "short" not in refused.value.message.replace("a token has", "")


def test_nothing_secret_is_shown() -> None:
    settings = load_settings(
        flags={
            "tokens": f"a:{TOKEN}",
            "database_url": "postgresql+asyncpg://user:hunter2@db/greffier",
            "language_model": {"api_key": "sk-secret"},
        }
    )
    for text in (json.dumps(effective(settings)), repr(settings)):
        assert TOKEN not in text
        assert hash_token(TOKEN) not in json.dumps(effective(settings))
        assert "hunter2" not in text
        assert "sk-secret" not in text
    assert "postgresql+asyncpg://user:hidden@db/greffier" in json.dumps(effective(settings))


def test_the_guard_lets_the_configured_servers_through() -> None:
    settings = load_settings(
        flags={
            "database_url": "postgresql+asyncpg://u:p@db.example/greffier",
            "language_model": {
                "engine": "openai",
                "url": "https://llm.example/v1",
                "allowed_hosts": ["llm.example"],
            },
            "network": {"allowed_hosts": ["10.0.0.0/8"]},
        }
    )
    assert settings.egress_hosts == ("10.0.0.0/8", "db.example", "llm.example")


@pytest.mark.parametrize("url", [None, "ftp://127.0.0.1", "https://llm.example/v1"])
def test_a_language_model_elsewhere_must_be_allowed(url: str | None) -> None:
    with pytest.raises(ValidationError):
        LanguageModelSettings(engine="openai", url=url)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.5", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),  # noqa: S104
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_every_setting_is_documented() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"
    text = page.read_text(encoding="utf-8")
    rows = reference_table()
    assert all(row.rsplit("|", 2)[1].strip() for row in rows)
    assert "\n".join(rows) in text, "write the table of settings.md anew from reference_table()"
