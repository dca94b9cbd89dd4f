"""What is deployed is checked by the field's own tools, as no container engine is at hand."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent


def run(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_compose_file_fits_the_compose_schema():
    checked = run(
        BIN / "check-jsonschema", "--no-cache", "--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml"
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_dockerfile_passes_hadolint():
    checked = run(BIN / "hadolint", "deploy/Dockerfile")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_settings_page_runs_beside_the_consumer_with_the_same_settings():
    services = YAML(typ="safe").load(DEPLOY / "compose.yaml")["services"]
    consumer, web = services["consumer"], services["web"]
    assert web["command"] == ["web"]
    own = {name for name in web["environment"] if name.startswith(("MAILROOM_WEB_", "MAILROOM_PLATFORM_"))}
    assert {name: value for name, value in web["environment"].items() if name not in own} == consumer["environment"]
    assert "/livez" in web["healthcheck"]["test"][-1]
    assert (web["read_only"], web["cap_drop"]) == (True, ["ALL"])


def test_nothing_of_the_compose_file_is_reached_from_other_machines():
    services = YAML(typ="safe").load(DEPLOY / "compose.yaml")["services"]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert len(ports) >= 5
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_variable_the_compose_file_demands_is_in_the_example():
    demanded = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose.yaml").read_text()))
    offered = set(re.findall(r"^#?(\w+)=", (DEPLOY / "env.example").read_text(), re.MULTILINE))
    assert demanded
    assert demanded <= offered


def test_the_image_copies_every_package_and_the_ignore_file_lets_it():
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = [p.rstrip("*") for p in project["tool"]["setuptools"]["packages"]["find"]["include"]]
    for package in packages:
        assert f"COPY {package} {package}" in dockerfile
        assert f"!{package}" in ignored


@pytest.mark.parametrize("needed", ["USER 10001", "HEALTHCHECK", "--require-hashes", "STOPSIGNAL SIGTERM"])
def test_the_image_is_small_in_rights_and_reproducible(needed):
    assert needed in (DEPLOY / "Dockerfile").read_text()
