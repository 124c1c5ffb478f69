"""The house keeps its shape: source roots, import direction, names with units, module sizes, clean files."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE_ROOTS = ("protocol", "signal", "ingest", "server", "clients", "clients/reference_kivy", "cli", "docker", "bench")
PACKAGES = {
    "becalm_protocol": "protocol/becalm_protocol",
    "becalm_signal": "signal/becalm_signal",
    "becalm_ingest": "ingest/becalm_ingest",
    "becalm_simulator": "ingest/becalm_simulator",
    "becalm_server": "server/becalm_server",
    "becalm_client": "protocol/becalm_client",
    "becalm_kivy": "clients/reference_kivy/becalm_kivy",
    "becalm_cli": "cli/becalm_cli",
}
MAY_IMPORT = {
    "becalm_protocol": set(),
    "becalm_signal": {"becalm_protocol"},
    "becalm_ingest": {"becalm_protocol"},
    "becalm_simulator": {"becalm_protocol", "becalm_ingest"},
    "becalm_server": {"becalm_protocol", "becalm_signal"},
    "becalm_client": {"becalm_protocol"},
    "becalm_kivy": {"becalm_protocol", "becalm_client"},
    "becalm_cli": set(PACKAGES),
}
"""Who may import whom; the simulator may use the agent's device tables."""
GATES = {
    "bleak": ("ingest/becalm_ingest/link", "ingest/becalm_simulator/bleak_backend/"),
    "dbus_fast": ("ingest/becalm_ingest/system_bus.py",),
    "bumble": ("ingest/becalm_simulator/",),
    "neurokit2": ("signal/becalm_signal/neurokit_signals.py", "cli/becalm_cli/signal_bench/"),
    "psycopg": ("server/becalm_server/archive/",),
    "psycopg_pool": ("server/becalm_server/archive/",),
    "fastapi": ("server/becalm_server/",),
    "kivy": ("clients/reference_kivy/becalm_kivy/",),
    "rich": ("clients/reference_kivy/becalm_kivy/terminal.py", "cli/becalm_cli/"),
    "typer": ("cli/becalm_cli/",),
    "scipy": ("signal/becalm_signal/", "cli/becalm_cli/signal_bench/"),
    "zeroconf": ("server/becalm_server/announcement.py", "protocol/becalm_client/discovery.py"),
    "pyxdf": ("ingest/becalm_ingest/formats/xdf_file.py",),
    "fitdecode": ("ingest/becalm_ingest/formats/fit_file.py",),
    "pyarrow": ("server/becalm_server/exports/parquet_zip.py",),
    "structlog": ("server/becalm_server/logs.py",),
    "prometheus_client": ("server/becalm_server/telemetry.py",),
    "pylsl": ("ingest/becalm_ingest/lsl.py", "protocol/becalm_client/outlets/lsl_outlet.py"),
    "pythonosc": ("protocol/becalm_client/outlets/osc_outlet.py",),
    "numpy": (
        "signal/becalm_signal/",
        "ingest/becalm_simulator/",
        "server/becalm_server/",
        "cli/becalm_cli/signal_bench/",
    ),
}
"""The one place where each library may be imported."""
MAX_MODULE_LINES = 300
BARE_WORDS = re.compile(r"(^|_)(timeout|interval|rate|duration|delay)$")
"""A quantity ends in its unit: these words may not end a name."""


def modules() -> Iterator[Path]:
    """Every Python module of every package."""
    for folder in PACKAGES.values():
        yield from sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Top-level names of every import in a module, wherever it stands."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_source_roots_hold_no_init() -> None:
    roots = [*SOURCE_ROOTS, "tests", *(relative(p) for p in (ROOT / "tests").iterdir() if p.is_dir())]
    assert [root for root in roots if (ROOT / root / "__init__.py").exists()] == []


def test_the_standard_library_signal_module_is_not_shadowed() -> None:
    code = "import signal; signal.SIGTERM"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("package", PACKAGES)
def test_import_direction(package: str) -> None:
    wrong = {
        relative(path): sorted(extra)
        for path in (ROOT / PACKAGES[package]).rglob("*.py")
        if (extra := imported(path) & set(PACKAGES) - MAY_IMPORT[package] - {package})
    }
    assert wrong == {}


@pytest.mark.parametrize("library", GATES)
def test_each_library_has_its_gate(library: str) -> None:
    users = {relative(path) for path in modules() if library in imported(path)}
    assert {user for user in users if not user.startswith(GATES[library])} == set()


def test_asyncio_wait_for_is_not_used() -> None:
    """Python 3.11's wait_for can swallow a cancellation."""
    assert [relative(p) for p in modules() if re.search(r"\bwait_for\(", p.read_text(encoding="utf-8"))] == []


def test_modules_stay_one_idea_long() -> None:
    long = {
        relative(p): n for p in modules() if (n := len(p.read_text(encoding="utf-8").splitlines())) > MAX_MODULE_LINES
    }
    assert long == {}


def test_quantities_end_in_their_unit() -> None:
    wrong = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.arg) and BARE_WORDS.search(node.arg):
                wrong.add(f"{relative(path)}:{node.lineno} {node.arg}")
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and BARE_WORDS.search(node.id):
                wrong.add(f"{relative(path)}:{node.lineno} {node.id}")
    assert wrong == set()


def test_no_module_is_called_like_the_standard_library_or_nothing() -> None:
    vague = {"utils", "helpers", "common", "base", "manager", "misc"}
    taken = vague | set(sys.stdlib_module_names)
    assert {relative(p) for p in modules() if p.stem in taken and not p.stem.startswith("__")} == set()


def test_every_package_says_what_it_owns() -> None:
    silent = [
        relative(ROOT / folder)
        for folder in PACKAGES.values()
        if len(ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8"))) or "") < 60
    ]
    assert silent == []


def test_tracked_files_name_no_download_address_and_no_machine_path() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [
        ROOT / name for name in listed.stdout.splitlines() if name.endswith((".lock", ".py", ".md", ".toml", ".sql"))
    ]
    wrong = re.compile(r"https?://[^\s)]*(pypi|pythonhosted|registry|debian\.org)|/work/|/root/")
    this = Path(__file__).resolve()
    found = [relative(f) for f in files if f != this and f.exists() and wrong.search(f.read_text(encoding="utf-8"))]
    assert found == []


def test_the_lock_is_hashed_and_without_addresses() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^[A-Za-z0-9_.-]+(?:\[[a-z,]+\])?==", lock, re.MULTILINE)
    assert len(pinned) > 50
    assert "http://" not in lock
    assert "https://" not in lock
    for entry in re.split(r"\n(?=[A-Za-z0-9])", lock)[1:]:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
