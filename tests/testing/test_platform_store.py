"""What the mock platform keeps across restarts, and under many clients at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

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

from igcsante.testing.platform.keeping import code_matches, hash_code, lock_key, unlock_key
from igcsante.testing.platform.store import Mail


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
    with pytest.raises(ZeroDivisionError), platform._store.transaction() as tx:
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
