"""The container files say what they must: no root, nothing writable but what is named, no secret, libraries by hash.

Nothing here starts a container.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # no stubs of it are locked
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
EXTRAS = ("server", "agent", "discovery")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", ["database", "server", "agent"])
def test_services_have_no_more_rights_than_they_need(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert any(str(place).startswith("/tmp:") for place in service["tmpfs"])
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(service)
    assert {"test", "interval", "timeout", "retries", "start_period"} == set(service["healthcheck"])
    assert service["mem_limit"]
    assert service["pids_limit"]


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    image = compose["services"]["database"]["image"]
    assert re.fullmatch(r"timescale/timescaledb:\d+\.\d+\.\d+-pg1[78]", image)
    assert {compose["services"][name]["image"] for name in ("server", "agent")} == {"becalm:local"}
    bases = re.findall(r"^FROM (\S+)", (DOCKER / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.1[1-3]-slim-\w+", base) for base in bases)


def test_the_database_is_reached_from_inside_only(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert compose["networks"]["inside"] == {"internal": True}
    assert services["database"]["networks"] == ["inside"]
    assert "ports" not in services["database"]
    assert services["server"]["ports"] == ["${BECALM_ADDRESS:-127.0.0.1}:8765:8765"]
    assert services["server"]["depends_on"]["database"] == {"condition": "service_healthy"}


def test_secrets_are_asked_for_and_not_there(compose: dict[str, Any]) -> None:
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    assert len(re.findall(r"\$\{BECALM_DATABASE_PASSWORD:\?", text)) == 2
    for name, service in compose["services"].items():
        for variable, told in service["environment"].items():
            if re.search("PASSWORD|TOKEN|SECRET|KEY", variable):
                assert re.fullmatch(r"\$\{\w+:[?-].*\}", told), f"{name} {variable}"
    examples = [line for line in (DOCKER / ".env.example").read_text(encoding="utf-8").splitlines() if "=" in line]
    assert [line for line in examples if re.match(r"\w*(PASSWORD|TOKEN)=.+", line)] == []
    dockerfile = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    assert not re.search(r"^(ARG|ENV).*(PASSWORD|TOKEN|SECRET)", dockerfile, re.MULTILINE)


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
@pytest.mark.parametrize("token", ["", "secret"])
def test_the_agent_does_not_start_without_its_token(compose: dict[str, Any], tmp_path: Path, token: str) -> None:
    agent = compose["services"]["agent"]
    program = tmp_path / "becalm"
    program.write_text('#!/bin/sh\necho "$@"\n', encoding="ascii")
    program.chmod(0o700)
    words = [word.replace("$$", "$") for word in agent["entrypoint"] + agent["command"]]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "BECALM_TOKEN": token}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=5)
    if token:
        assert (done.returncode, done.stdout) == (0, "agent --server ws://server:8765\n")
    else:
        assert (done.returncode, done.stdout) == (78, "")
        assert "BECALM_AGENT_TOKEN" in done.stderr


def test_the_image_runs_as_nobody_special_with_hashed_libraries() -> None:
    build, run = (DOCKER / "Dockerfile").read_text(encoding="utf-8").rsplit("\nFROM ", 1)
    assert re.search(r"^USER 10001:10001$", run, re.MULTILINE)
    assert "pip install" not in run
    installs = re.findall(r"pip install[^&\n]*", build)
    assert len(installs) == 3
    assert all("--require-hashes" in one or "--no-deps /tmp/wheel/" in one for one in installs)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", build, re.MULTILINE)
    assert all((ROOT / source).exists() for line in copied for source in line.split())
    assert "." not in {source for line in copied for source in line.split()}


def subset_lock() -> Any:
    spec = importlib.util.spec_from_file_location("subset_lock", DOCKER / "subset_lock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_of_the_image_is_whole_and_hashed() -> None:
    """Everything that the installed packages say they need is in it; what only other roles need is not."""
    module = subset_lock()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = module.subset((ROOT / "requirements.lock").read_text(encoding="utf-8"), module.required(project, EXTRAS))
    entries = re.split(r"\n(?=[A-Za-z0-9])", found)
    names = {canonicalize_name(re.split(r"[\[=]", entry)[0]) for entry in entries}
    assert all("--hash=sha256:" in entry for entry in entries)
    assert {"fastapi", "psycopg-binary", "bleak", "zeroconf", "neurokit2"} <= names
    assert not {"kivy", "pytest", "ruff", "pyarrow", "bumble", "schemathesis"} & names
    missing = set()
    for name in names:
        try:
            asked = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system
        needed = [Requirement(one) for one in asked]
        missing |= {
            canonicalize_name(one.name) for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})
        } - names
    assert missing == set()


def test_an_unknown_package_is_named() -> None:
    with pytest.raises(SystemExit, match="expected nonsense, found nothing"):
        subset_lock().subset("#\na==1 \\\n    --hash=sha256:0\n", ["nonsense"])


def test_hadolint_finds_nothing() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, str(DOCKER / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_compose_reads_it() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose here")
    command = [docker, "compose", "-f", str(DOCKER / "compose.yaml"), "config", "--quiet"]
    without = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
    assert without.returncode
    assert "BECALM_DATABASE_PASSWORD" in without.stderr
