"""The wheel, as its users get it: built from the sdist, installed alone, the same each time."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_string
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[1]
VERSION = "3.2.1"
PARTS = ("README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "setup.cfg", ".gitignore")
FOLDERS = ("igcsante", "requirements", "scripts")
RUBBISH = ("igcsante/__pycache__/config.cpython-311.pyc", "igcsante/old.egg-info/PKG-INFO")


@dataclass(frozen=True)
class Built:
    sdist: Path
    wheel: Path

    def names(self) -> list[str]:
        return zipfile.ZipFile(self.wheel).namelist()

    def read(self, name: str) -> str:
        return zipfile.ZipFile(self.wheel).read(name).decode()


@pytest.fixture(scope="module")
def releasing() -> Iterator[None]:
    """The modules of scripts/release can be imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "scripts/releasing"))
        yield


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, releasing: None) -> Built:
    return _build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def alone(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; its dependencies are those that these tests run with."""
    venv = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    place = {"base": str(venv), "platbase": str(venv)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=place))
    (site / "development.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    into = [f"--python={venv / 'bin/python'}", "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, *into, built.wheel], check=True)
    return venv


@pytest.mark.long
def test_built_again_elsewhere_it_has_the_same_bytes(built: Built, tmp_path: Path) -> None:
    again = _build(tmp_path / "another place", umask=0o077, zone="Asia/Tokyo", touched=1)
    assert again.sdist.read_bytes() == built.sdist.read_bytes()
    assert again.wheel.read_bytes() == built.wheel.read_bytes()


def test_igc_of_the_wheel_says_the_version_and_knows_nothing_of_the_checkout(alone: Path) -> None:
    assert _said(alone / "bin/igc", "--version").split()[-1] == VERSION
    where = _said(alone / "bin/python", "-I", "-c", "import igcsante; print(igcsante.__file__)")
    assert Path(where.strip()).is_relative_to(alone)


def test_igc_of_the_wheel_checks_a_certificate(alone: Path, tmp_path: Path) -> None:
    for name in ("theirs", "ours"):
        (tmp_path / f"{name}.pem").write_bytes(_self_signed(name))
    check = [alone / "bin/igc", "check", "--offline", "--json", "--anchors", tmp_path / "ours.pem"]
    done = _run(*check, tmp_path / "theirs.pem", folder=tmp_path)
    told = json.loads(done.stdout.splitlines()[0])
    assert (told["schema"], told["verdict"]) == ("igc.check/1", "invalid")


def test_data_files_types_and_pages_are_in_it(built: Built) -> None:
    package = REPOSITORY / "igcsante"
    ignored = {"__pycache__", "_version.py"}
    ours = {
        path.relative_to(REPOSITORY).as_posix()
        for path in package.rglob("*")
        if path.is_file() and not ignored & set(path.parts) and path.suffix != ".pyc"
    }
    names = set(built.names())
    assert len(ours) > 300
    assert ours - names == set()
    assert "igcsante/py.typed" in names
    assert f"igcsante-{VERSION}.data/data/share/man/fr/man1/igc-check.1" in names
    assert VERSION in built.read(f"igcsante-{VERSION}.data/data/share/man/man1/igc.1")


def test_a_build_from_a_clone_has_what_makes_the_pages() -> None:
    """Build isolation gives nothing else, and an sdist brings no pages along."""
    required = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["build-system"][
        "requires"
    ]
    names = {Requirement(line).name for line in required}
    code = "import sys; from igcsante.cli import manual; from pathlib import Path; "
    code += "manual.install(Path(sys.argv[1])); print(*{m.split('.')[0] for m in sys.modules})"
    with tempfile.TemporaryDirectory() as folder:
        loaded = set(_said(sys.executable, "-c", code, folder).split())
    from_packages = loaded & packages_distributions().keys() - {"igcsante", "_distutils_hack"}
    assert from_packages - {"_cffi_backend"} <= names


def test_nothing_else_is_in_it(built: Built) -> None:
    tops = {name.split("/")[0] for name in built.names()}
    assert tops == {
        "igcsante",
        f"igcsante-{VERSION}.data",
        f"igcsante-{VERSION}.dist-info",
    }
    with tarfile.open(built.sdist) as sdist:
        names = [*built.names(), *sdist.getnames()]
    for part in ("__pycache__", ".pyc", ".venv", "egg-info", ".git/", "/test_"):
        assert [name for name in names if part in name] == []


def test_modes_are_those_of_files_for_everybody(built: Built) -> None:
    modes = {info.external_attr >> 16 for info in zipfile.ZipFile(built.wheel).infolist()}
    assert {mode & 0o777 for mode in modes} == {0o644}


def test_bill_of_materials_is_valid_and_names_what_is_installed(built: Built) -> None:
    import artefacts
    import metadata_hook

    text = built.read(f"igcsante-{VERSION}.dist-info/sboms/igcsante.cdx.json")
    assert list(artefacts.bill_errors(text)) == []
    bill = json.loads(text)
    assert bill["metadata"]["component"]["version"] == VERSION
    components = {component["name"]: component for component in bill["components"]}
    assert components["cryptography"]["scope"] == "required"
    assert components["cryptography"]["properties"][0]["value"].startswith(">=")
    assert components["cffi"]["scope"] == "required", "cryptography needs it"
    assert components["numpy"]["scope"] == "optional"
    assert "pytest" not in components
    assert all(component["licenses"][0]["expression"] for component in components.values())
    project = metadata_hook.project(REPOSITORY / "setup.cfg")
    direct = {line.split()[0].lower() for line in project["dependencies"]}
    assert direct <= components.keys()


def test_metadata_are_what_setup_cfg_says(built: Built) -> None:
    setup_cfg = configparser.RawConfigParser()
    setup_cfg.read(REPOSITORY / "setup.cfg", "utf-8")
    about = message_from_string(built.read(f"igcsante-{VERSION}.dist-info/METADATA"))
    assert about["Summary"] == setup_cfg["metadata"]["description"]
    assert about["License-Expression"] == setup_cfg["metadata"]["license"]
    assert about["Requires-Python"] == setup_cfg["options"]["python_requires"]
    assert about["Dynamic"] is None
    assert about.get_payload() == (REPOSITORY / "README.md").read_text("utf-8")
    assert about.get_all("Classifier") == setup_cfg["metadata"]["classifiers"].split("\n")[1:]
    extras = setup_cfg["options.extras_require"]
    assert set(about.get_all("Provides-Extra", [])) == set(extras)
    needed = [Requirement(line) for line in about.get_all("Requires-Dist", [])]
    lists = [setup_cfg["options"]["install_requires"], *extras.values()]
    asked = [Requirement(line) for text in lists for line in text.split("\n") if line]
    assert _counted(needed) == _counted(asked)
    points = built.read(f"igcsante-{VERSION}.dist-info/entry_points.txt")
    assert "[console_scripts]\nigc = igcsante.cli.entry:main\n" in points
    assert "[pytest11]\nigcsante.testing.pytest_plugin = " in points


@pytest.mark.parametrize(
    ("said", "instead", "told"),
    [
        ("license = MIT\n", "", "lacks 'license'"),
        ("[options.entry_points]", "[entry_points]", "lacks 'options.entry_points'"),
        ("license = MIT\n", "license = MIT\nkeywords = smartcard\n", "doesn't read ['keywords']"),
        ("[mypy]", "[options.package_data]\n[mypy]", "doesn't read ['options.package_data']"),
        ("    igc = igcsante", "    igcsante", "name = module:function"),
        ("[options]", "options", "parsing errors"),
    ],
)
def test_setup_cfg_that_is_wrong_is_told(
    said: str, instead: str, told: str, tmp_path: Path, releasing: None
) -> None:
    import metadata_hook

    text = (REPOSITORY / "setup.cfg").read_text("utf-8")
    assert said in text
    (tmp_path / "setup.cfg").write_text(text.replace(said, instead, 1), "utf-8")
    with pytest.raises(ValueError, match=re.escape(told)) as error:
        metadata_hook.project(tmp_path / "setup.cfg")
    assert str(error.value).startswith("setup.cfg")


def test_addresses_of_whoever_publishes_go_into_the_wheel(tmp_path: Path, releasing: None) -> None:
    import metadata_hook

    text = (REPOSITORY / "setup.cfg").read_text("utf-8")
    added = "[metadata]\nproject_urls =\n    Security = https://forge.example/igcsante/security\n"
    (tmp_path / "setup.cfg").write_text(text.replace("[metadata]\n", added, 1), "utf-8")
    project = metadata_hook.project(tmp_path / "setup.cfg")
    assert project["urls"] == {"Security": "https://forge.example/igcsante/security"}


def test_schema_refuses_a_bill_that_is_wrong(built: Built) -> None:
    import artefacts

    text = built.read(f"igcsante-{VERSION}.dist-info/sboms/igcsante.cdx.json")
    assert list(artefacts.bill_errors(text.replace('"library"', '"livre"')))


def _counted(requirements: Iterable[Requirement]) -> Counter[tuple[str, str]]:
    return Counter((one.name, str(one.specifier)) for one in requirements)


def _build(folder: Path, umask: int = 0o022, zone: str = "UTC", touched: int = 0) -> Built:
    """From a copy of the sources, with rubbish beside."""
    import artefacts

    source = folder / "sources"
    source.mkdir(parents=True)
    for name in PARTS:
        shutil.copy(REPOSITORY / name, source)
    for name in FOLDERS:
        leave_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, source / name, ignore=leave_out)
    for name in RUBBISH:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(".TH igc 1\n")
    if touched:
        for path in sorted(source.rglob("*"), reverse=True):
            os.utime(path, (touched, touched))
            path.chmod(path.stat().st_mode & ~0o077)
    before = os.umask(umask)
    try:
        environment = {
            **os.environ,
            "TZ": zone,
            "SOURCE_DATE_EPOCH": "1700000000",
            "SETUPTOOLS_SCM_PRETEND_VERSION": VERSION,
        }
        artefacts.build(source, folder, environment)
    finally:
        os.umask(before)
    return Built(next(folder.glob("*.tar.gz")), next(folder.glob("*.whl")))


def _self_signed(who: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, who)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _said(*command: str | Path) -> str:
    done = _run(*command)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def _run(*command: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=clean, timeout=120
    )
