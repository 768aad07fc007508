"""What hassfest and HACS would find wrong, found here first.

Both run on the public repository only; these checks cover the same ground on
every machine: manifest, parity of strings, icons, actions and exceptions with
the code that uses them, and the completeness of the quality scale.
"""

import ast
from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
INTEGRATION = ROOT / "custom_components" / "forecourt"
PLATFORMS = ("binary_sensor", "button", "event", "number", "sensor", "switch")

# The quality scale of Home Assistant 2026.10, by tier.
RULES = {
    "bronze": """action-setup appropriate-polling brands common-modules config-flow-test-coverage
        config-flow dependency-transparency docs-actions docs-conditions
        docs-high-level-description docs-installation-instructions docs-removal-instructions
        docs-triggers entity-event-setup entity-unique-id has-entity-name runtime-data
        test-before-configure test-before-setup unique-config-entry""",
    "silver": """action-exceptions config-entry-unloading docs-configuration-parameters
        docs-installation-parameters entity-unavailable integration-owner log-when-unavailable
        parallel-updates reauthentication-flow test-coverage""",
    "gold": """devices diagnostics discovery discovery-update-info docs-data-update docs-examples
        docs-known-limitations docs-supported-devices docs-supported-functions
        docs-troubleshooting docs-use-cases dynamic-devices entity-category entity-device-class
        entity-disabled-by-default entity-translations exception-translations icon-translations
        reconfiguration-flow repair-issues stale-devices""",
    "platinum": "async-dependency inject-websession strict-typing",
}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


STRINGS: dict[str, Any] = _json(INTEGRATION / "translations" / "en.json")
ICONS: dict[str, Any] = _json(INTEGRATION / "icons.json")
ACTIONS: dict[str, Any] = yaml.safe_load((INTEGRATION / "services.yaml").read_text("utf-8"))


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(INTEGRATION.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"), str(path))


def _constants() -> dict[str, str]:
    """Return every module-level string constant by its name."""
    return {
        target.id: node.value.value
        for _, module in _modules()
        for node in module.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


CONSTANTS = _constants()


def _texts(node: ast.expr) -> set[str]:
    """Return the strings that an expression can be, as far as the source tells."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.Name) and node.id in CONSTANTS:
        return {CONSTANTS[node.id]}
    if isinstance(node, ast.IfExp):
        return _texts(node.body) | _texts(node.orelse)
    return set()


def _calls(*names: str) -> Iterator[tuple[Path, ast.Call]]:
    for path, module in _modules():
        for node in ast.walk(module):
            if isinstance(node, ast.Call):
                function = node.func
                name = getattr(function, "attr", getattr(function, "id", ""))
                if name in names:
                    yield path, node


def _arguments(keyword: str, *calls: str) -> set[str]:
    return {
        text
        for _, call in _calls(*calls)
        for argument in call.keywords
        if argument.arg == keyword
        for text in _texts(argument.value)
    }


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, tree


def _flow_sections() -> list[dict[str, Any]]:
    subentries = STRINGS["config_subentries"].values()
    fixes = [issue["fix_flow"] for issue in STRINGS["issues"].values() if "fix_flow" in issue]
    return [STRINGS["config"], STRINGS["options"], *subentries, *fixes]


def test_manifest_is_in_order() -> None:
    manifest = _json(INTEGRATION / "manifest.json")
    keys = list(manifest)
    assert keys == ["domain", "name", *sorted(keys[2:])]
    assert manifest["domain"] == INTEGRATION.name
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert manifest["iot_class"] == "local_push"
    assert manifest["integration_type"] == "hub"
    assert "home-assistant.io" not in manifest["documentation"]
    assert manifest["codeowners"]
    assert "single_config_entry" not in manifest, "it would drop discovered stations"
    assert all("==" in requirement for requirement in manifest["requirements"])


def test_versions_agree() -> None:
    manifest = _json(INTEGRATION / "manifest.json")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{manifest["version"]}"' in project
    assert manifest["version"] in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_hacs_file_has_only_known_keys() -> None:
    hacs = _json(ROOT / "hacs.json")
    assert hacs["name"] == "Forecourt"
    assert hacs["homeassistant"] == "2026.10.0"
    assert set(hacs) <= {"name", "homeassistant", "render_readme", "zip_release", "filename"}


def test_brand_images_are_there() -> None:
    for name in ("icon", "icon@2x", "logo", "logo@2x", "dark_logo", "dark_logo@2x"):
        assert (INTEGRATION / "brand" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_strings_are_plain_and_not_empty() -> None:
    for path, text in _leaves(STRINGS):
        assert isinstance(text, str), path
        assert text.strip() == text, path
        assert text, path
        assert "[%key" not in text, f"{path}: references are resolved for core only"
        assert not re.search(r"<[a-z/]", text), f"{path}: HTML is not shown"


def test_every_step_has_its_strings() -> None:
    known = {step for section in _flow_sections() for step in section.get("step", {})}
    used = _arguments("step_id", "async_show_form", "async_show_menu")
    assert used
    assert used <= known, f"without strings: {sorted(used - known)}"


def test_every_field_of_a_step_is_explained() -> None:
    for section in _flow_sections():
        for name, step in section.get("step", {}).items():
            missing = set(step.get("data", {})) - set(step.get("data_description", {}))
            assert not missing, f"{name}: no data_description for {sorted(missing)}"


@pytest.mark.parametrize(
    ("keyword", "call", "section"),
    [("reason", "async_abort", "abort"), ("progress_action", "async_show_progress", "progress")],
)
def test_every_way_out_of_a_flow_has_its_string(keyword: str, call: str, section: str) -> None:
    known = {key for flow in _flow_sections() for key in flow.get(section, {})}
    used = _arguments(keyword, call)
    assert used
    assert used <= known, f"without strings: {sorted(used - known)}"


def _flow_errors() -> set[str]:
    """Return the values that the flows put into their `errors` dictionaries."""
    errors: set[str] = set()
    for _path, module in _modules():
        for node in ast.walk(module):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if (
                        isinstance(target, ast.Subscript)
                        and isinstance(target.value, ast.Name)
                        and target.value.id == "errors"
                    ):
                        errors |= _texts(node.value)
            elif (
                isinstance(node, ast.keyword)
                and node.arg == "errors"
                and isinstance(node.value, ast.Dict)
            ):
                for value in node.value.values:
                    errors |= _texts(value)
    return errors


def test_every_flow_error_has_its_string() -> None:
    known = {key for flow in _flow_sections() for key in flow.get("error", {})}
    assert _flow_errors() <= known, f"without strings: {sorted(_flow_errors() - known)}"


def test_every_exception_has_its_message_and_none_is_left_over() -> None:
    used = {
        text
        for path, call in _calls(
            "HomeAssistantError",
            "ServiceValidationError",
            "ConfigEntryError",
            "ConfigEntryNotReady",
            "Unauthorized",
        )
        for argument in call.keywords
        if argument.arg == "translation_key"
        for text in _texts(argument.value)
    }
    known = set(STRINGS["exceptions"])
    sources = "\n".join(path.read_text("utf-8") for path, _ in _modules())
    assert used <= known, f"without message: {sorted(used - known)}"
    unused = {key for key in known - used if f'"{key}"' not in sources}
    assert not unused, f"never raised: {sorted(unused)}"


def test_every_issue_has_its_strings_and_none_is_left_over() -> None:
    used = _arguments("translation_key", "async_create_issue")
    known = set(STRINGS["issues"])
    assert used <= known, f"without strings: {sorted(used - known)}"
    sources = "\n".join(path.read_text("utf-8") for path, _ in _modules())
    unused = {key for key in known if f'"{key}"' not in sources}
    assert not unused, f"never raised: {sorted(unused)}"


def _source(platform: str) -> str:
    modules = sorted(INTEGRATION.glob(f"{platform}*.py"))
    return "\n".join(module.read_text("utf-8") for module in modules)


def _entity_keys(platform: str) -> set[str]:
    """Return the translation keys that the modules of a platform give its entities."""
    keys: set[str] = set()
    for node in ast.walk(ast.parse(_source(platform))):
        named = isinstance(node, ast.keyword) and node.arg == "translation_key"
        assigned = isinstance(node, ast.Assign) and any(
            getattr(target, "id", getattr(target, "attr", "")) == "_attr_translation_key"
            for target in node.targets
        )
        if named or assigned:
            keys |= _texts(node.value)
    return keys


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_entity_has_a_name_and_an_icon(platform: str) -> None:
    entities = STRINGS["entity"][platform]
    keys = _entity_keys(platform) & set(entities) or _entity_keys(platform)
    assert keys
    assert keys <= set(entities), f"without name: {sorted(keys - set(entities))}"
    assert set(entities) <= _entity_keys(platform), "names of entities that are no more"
    classless = set(entities) - set(ICONS["entity"].get(platform, {}))
    assert not classless or "device_class" in _source(platform), (
        f"without icon: {sorted(classless)}"
    )
    assert set(ICONS["entity"].get(platform, {})) <= set(entities), "icons of entities no more"


def test_actions_are_described_everywhere() -> None:
    constants = {value for name, value in CONSTANTS.items() if name.startswith("SERVICE_")}
    registered = constants or {
        text for _, call in _calls("async_register") for arg in call.args for text in _texts(arg)
    }
    assert set(ACTIONS) == set(STRINGS["services"]) == set(ICONS["services"])
    assert set(ACTIONS) <= registered
    for name, action in ACTIONS.items():
        strings = STRINGS["services"][name]
        assert strings["name"]
        assert strings["description"]
        assert set((action or {}).get("fields", {})) == set(strings.get("fields", {})), name
        for field, text in strings.get("fields", {}).items():
            assert text["name"], f"{name}.{field}"
            assert text["description"], f"{name}.{field}"


def test_quality_scale_is_complete() -> None:
    scale = yaml.safe_load((INTEGRATION / "quality_scale.yaml").read_text("utf-8"))["rules"]
    rules = {rule for tier in RULES.values() for rule in tier.split()}
    assert set(scale) == rules
    for rule, verdict in scale.items():
        status = verdict if isinstance(verdict, str) else verdict["status"]
        assert status in ("done", "todo", "exempt"), rule
        if status != "done":
            assert not isinstance(verdict, str), f"{rule}: {status} needs a reason"
            assert verdict["comment"].strip(), rule


def test_no_platform_name_is_taken_by_a_folder() -> None:
    taken = {path.name for path in INTEGRATION.iterdir() if path.is_dir()}
    assert not taken & {"energy", "backup", "repairs", "diagnostics", "logbook", "recorder"}


def test_blueprints_name_their_source() -> None:
    class _Loader(yaml.SafeLoader):
        pass

    _Loader.add_constructor("!input", lambda loader, node: loader.construct_scalar(node))
    for path in sorted((ROOT / "blueprints").rglob("*.yaml")):
        blueprint = yaml.load(path.read_text("utf-8"), _Loader)["blueprint"]  # noqa: S506
        assert blueprint["source_url"].endswith(path.relative_to(ROOT).as_posix())
