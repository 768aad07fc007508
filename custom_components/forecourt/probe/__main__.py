"""Run by its folder: `python custom_components/forecourt/probe HOST`.

The package above would import Home Assistant, so empty packages that only know where their
modules are stand in for it.
"""

from pathlib import Path
import sys
from types import ModuleType


def _mount() -> None:
    forecourt = Path(__file__).resolve().parents[1]
    if sys.path and Path(sys.path[0]).resolve() == forecourt / "probe":
        del sys.path[0]  # modules here must not stand in for others of their name
    for name, folder in (
        ("custom_components", forecourt.parent),
        ("custom_components.forecourt", forecourt),
    ):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package


def _main() -> int:
    _mount()
    try:
        from custom_components.forecourt.probe.command import main  # noqa: PLC0415
    except ModuleNotFoundError as err:
        print(
            f"{err.name} is missing. Run this with the Python of Home Assistant, or install"
            " aiomqtt, cryptography, modbus-connection, pymodbus and PyYAML first.",
            file=sys.stderr,
        )
        return 2
    return main()


if __name__ == "__main__":
    sys.exit(_main())
