"""Keys in tokens are named as RFC 7512 has it, and never with their PIN."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igcsante.errors import UsageError
from igcsante.pkcs11.uri import Pkcs11Uri


def test_a_uri_names_token_key_and_module():
    uri = Pkcs11Uri.parse(
        "pkcs11:token=My%20HSM;serial=42;object=cl%C3%A9;id=%01%FF;type=private"
        "?module-path=/usr/lib/my%20module.so"
    )
    assert uri == Pkcs11Uri(
        token="My HSM",
        serial="42",
        label="clé",
        key_id=b"\x01\xff",
        module=Path("/usr/lib/my module.so"),
    )


def test_what_a_uri_does_not_say_is_not_known():
    assert Pkcs11Uri.parse("pkcs11:id=%0A") == Pkcs11Uri(key_id=b"\n")


@pytest.mark.parametrize("option", ["pin-value=1234", "pin-source=file:/x", "pin-value=1234&x=1"])
def test_a_pin_in_a_uri_is_refused_and_not_repeated(option):
    with pytest.raises(UsageError, match="with a PIN") as caught:
        Pkcs11Uri.parse(f"pkcs11:object=x?{option}")
    assert "1234" not in str(caught.value.to_dict())
    assert "--key-pin-source" in caught.value.advice


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("token=HSM", "PKCS#11 URI"),
        ("pkcs11:", "object= or id="),
        ("pkcs11:token=HSM", "object= or id="),
        ("pkcs11:object=x;type=cert", "type=private"),
        ("pkcs11:object=x;model=y", "'model' is not taken"),
        ("pkcs11:object=x?slot=1", "'slot' is not taken"),
        ("pkcs11:object", "no PKCS#11 URI"),
        ("pkcs11:object=", "no PKCS#11 URI"),
        ("pkcs11:object=a;object=b", "no PKCS#11 URI"),
        ("pkcs11:object=%zz", "no PKCS#11 URI"),
    ],
)
def test_what_names_no_key_is_told(text, message):
    with pytest.raises(UsageError, match=message):
        Pkcs11Uri.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_a_uri_or_refused(text):
    try:
        uri = Pkcs11Uri.parse("pkcs11:" + text)
    except UsageError:
        return
    assert uri.label is not None or uri.key_id is not None
