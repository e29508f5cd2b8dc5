"""What the mock platform keeps across restarts, and under many clients at once."""

from __future__ import annotations

import itertools
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from pfc_client import (
    NOW,
    SoapClient,
    SoapFault,
    certificate_of,
    platform_at,
    request_for,
    some_key,
)

from igcsante.errors import StorageError
from igcsante.identifiers import StructureId
from igcsante.testing.pki import SoftwareSubject
from igcsante.testing.platform import Options
from igcsante.testing.platform.keeping import code_matches, hash_code, lock_key, unlock_key
from igcsante.testing.platform.products import to_product
from igcsante.testing.platform.records import Mail, Record
from igcsante.testing.platform.store import Store
from igcsante.ws.model import ProductSearch
from igcsante.ws.vocabulary import Offre, ProductState, Usage


def test_restarted_platform_knows_everything(tmp_path):
    before = SoapClient(platform_at(tmp_path))
    waiting = before.order(motDePasseCle="mot de passe")
    active = before.order(request_for(), referenceClient="commande-1")
    leaf = certificate_of(before.withdraw(active))

    platform = platform_at(tmp_path)
    after = SoapClient(platform)
    assert after.search().findtext("total") == "2"
    assert len(platform.mails()) == 3
    assert after.withdraw(waiting, password="mot de passe") is not None
    assert int(after.product(active).findtext("numeroSerie"), 16) == leaf.serial_number
    assert after.revoke(active).findtext("etat") == "REVOQUE"
    with pytest.raises(SoapFault, match="F19"):
        after.order(request_for(), referenceClient="commande-1")


def test_operation_that_breaks_half_way_leaves_nothing(tmp_path):
    platform = platform_at(tmp_path)
    with pytest.raises(ZeroDivisionError), platform.store.transaction() as tx:
        tx.post(Mail(NOW, "a@b.example", "objet", "texte"))
        assert len(tx.mails()) == 1
        raise ZeroDivisionError
    assert platform.mails() == []


def test_twenty_orders_at_once_give_twenty_products(tmp_path):
    platform = platform_at(tmp_path)
    requests = [request_for() for _ in range(20)]
    with ThreadPoolExecutor(20) as workers:
        products = list(workers.map(lambda csr: SoapClient(platform).order(csr), requests))
    assert len(set(products)) == 20
    assert SoapClient(platform).search().findtext("total") == "20"


def test_two_withdrawals_at_once_issue_one_certificate(tmp_path):
    platform = platform_at(tmp_path)
    product = SoapClient(platform).order(request_for())
    barrier = threading.Barrier(6)

    def withdraw(_):
        client = SoapClient(platform)
        barrier.wait()
        try:
            return certificate_of(client.withdraw(product))
        except SoapFault as fault:
            return fault.code

    with ThreadPoolExecutor(6) as workers:
        outcomes = list(workers.map(withdraw, range(6)))
    assert outcomes.count("MOCK-F11") == 5


def test_code_is_kept_as_a_salted_hash():
    one, other = hash_code("un code secret"), hash_code("un code secret")
    assert one != other
    assert code_matches("un code secret", one)
    assert not code_matches("un code secrets", one)


def test_key_opens_with_its_password_only():
    locked = lock_key(some_key("locked"), "mot de passe")
    assert unlock_key(locked, "mot de passé") is None
    opened = unlock_key(locked, "mot de passe")
    assert opened.private_numbers() == some_key("locked").private_numbers()


# -- states and searches ---------------------------------------------------------------------

MOMENTS = (None, NOW - timedelta(seconds=1), NOW, NOW + timedelta(seconds=1))


def records() -> list[Record]:
    """Products with every combination of dates, of two offers and structures."""
    dates = itertools.product(MOMENTS, MOMENTS, MOMENTS[:2], MOMENTS, MOMENTS[:2])
    return [
        Record(
            bearer="1",
            offre=("ORG", "SERV")[index % 2],
            usage=("SIGN", "CONF")[index % 3 % 2],
            structure_id=("10B0999003", "399999999700037")[index % 5 % 2],
            structure_name="SIMULATION",
            department="Paris (75)",
            subject=SoftwareSubject(f"Été {index}"),
            requested_at=NOW,
            key_id=str(index),
            public_key=b"",
            available_at=available,
            withdraw_before=end,
            refused_at=refused,
            not_after=not_after,
            serial=f"{index:X}" if not_after else None,
            revoked_at=revoked if not_after else None,
            number=index + 1,
        )
        for index, (available, end, refused, not_after, revoked) in enumerate(dates)
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("store") / "platform.sqlite")
    with store.transaction() as tx:
        assert [tx.insert(record) for record in records()] == [r.number for r in records()]
    return store


def test_the_state_of_a_product_is_the_same_in_the_store_as_in_python(store) -> None:
    found = {}
    with store.reading() as tx:
        for state in ProductState:
            search = ProductSearch(states=(state,), page_size=100)
            pages = (tx.search(replace(search, page=n), NOW)[0] for n in range(1, 5))
            numbers = [record.number for page in pages for record in page]
            assert numbers, f"nothing is {state}"
            assert tx.count_states(NOW)[state] == len(numbers)
            found |= dict.fromkeys(numbers, state)
    assert found == {record.number: record.state(NOW) for record in records()}


@pytest.mark.parametrize(
    "search",
    [
        ProductSearch(),
        ProductSearch(offre=Offre.ORG, usage=Usage.SIGN),
        ProductSearch(structure=StructureId.parse("10B0999003"), states=(ProductState.EN_COURS,)),
        ProductSearch(states=(ProductState.ACTIF, ProductState.REVOQUE), offre=Offre.SERV),
        ProductSearch(label="ÉTÉ 12"),
        ProductSearch(label="%"),
        ProductSearch(serial="1F"),
        ProductSearch(expires_before=NOW),
        ProductSearch(expires_before=NOW + timedelta(microseconds=1)),
    ],
)
def test_search_finds_what_it_asks_for(store, search) -> None:
    """Against the plainest way to say it."""

    def asked(record: Record) -> bool:
        product = to_product(record, NOW, Options())
        end = search.expires_before
        return (
            product.offre == (search.offre or product.offre)
            and product.usage == (search.usage or product.usage)
            and product.structure.national_id == (search.structure or product.structure.national_id)
            and product.state in (search.states or (product.state,))
            and search.label.casefold() in product.label.casefold()
            and product.serial == (search.serial or product.serial)
            and (end is None or (product.not_after is not None and product.not_after < end))
            and (record.offre, record.structure_id) in places
        )

    places = {("ORG", "10B0999003"), ("SERV", "399999999700037"), ("SERV", "10B0999003")}
    expected = [record.number for record in records()[::-1] if asked(record)]
    with store.reading() as tx:
        found, total = tx.search(replace(search, page_size=7, page=2), NOW, places)
        nothing = tx.search(search, NOW, ())
    assert [record.number for record in found] == expected[7:14]
    assert total == len(expected)
    assert nothing == ([], 0)


# -- a crash, and after it ---------------------------------------------------------------------


def test_revocation_that_a_crash_kept_from_the_crl_is_there_after_the_restart(
    tmp_path, monkeypatch
) -> None:
    platform = platform_at(tmp_path)
    client = SoapClient(platform)
    product = client.order(request_for(some_key("crash")))
    serial = certificate_of(client.withdraw(product)).serial_number

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(platform.pki, "revoke", crash)
        client.revoke(product)
    assert client.product(product).findtext("etat") == "REVOQUE"
    assert platform.pki.revocation(serial, NOW + timedelta(days=1)) is None
    restarted = platform_at(tmp_path)
    revoked = restarted.pki.revocation(serial, NOW + timedelta(days=1))
    told = SoapClient(restarted).product(product).findtext("dateRevocation")
    assert revoked is not None and revoked.date.isoformat() == told


def test_crash_before_the_certificate_is_kept_leaves_the_product_to_withdraw(
    tmp_path, monkeypatch
) -> None:
    client = SoapClient(platform_at(tmp_path))
    product = client.order(request_for(some_key("crash")))

    def crash(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("igcsante.testing.platform.mails.product_withdrawn", crash)
        client.withdraw(product)
    restarted = SoapClient(platform_at(tmp_path))
    assert restarted.product(product).findtext("etat") == "A_RETIRER"
    assert restarted.withdraw(product) is not None


def test_planned_faults_outlive_the_process(tmp_path) -> None:
    platform_at(tmp_path).fail_next("T01")
    platform_at(tmp_path).fail_next("T02")
    client = SoapClient(platform_at(tmp_path))
    for fault in ("T01", "T02"):
        with pytest.raises(SoapFault, match=fault):
            client.search()
    assert client.search() is not None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"no database at all, and longer than its header" * 9),
        lambda path: sqlite3.connect(path).execute("PRAGMA user_version = 99").connection.close(),
    ],
)
def test_store_of_something_else_is_refused_and_left_alone(tmp_path, spoil) -> None:
    platform_at(tmp_path)
    path = tmp_path / "platform.sqlite"
    for extra in tmp_path.glob("platform.sqlite-*"):
        extra.unlink()
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"platform\.sqlite"):
        platform_at(tmp_path)
    assert path.read_bytes() == before


def test_readers_do_not_wait_for_a_writer(tmp_path) -> None:
    platform = platform_at(tmp_path)
    client = SoapClient(platform)
    product = client.order(request_for(some_key("reader")))
    with platform.store.transaction():
        assert client.product(product).findtext("idProduit") == product
        assert client.search().findtext("total") == "1"


def test_its_files_are_for_their_owner_only(tmp_path):
    path = tmp_path / "platform.sqlite"
    path.touch(mode=0o644)  # as an earlier version left it
    path.chmod(0o644)
    store = Store(path)
    with store.transaction() as tx:
        tx.plan_fault("T01")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {f"platform.sqlite{end}": 0o600 for end in ("", "-wal", "-shm")}
