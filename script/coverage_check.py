"""Combine coverage data files and name each module whose tests leave too much out.

A total says little: a well tested half hides the other. So every module is looked at.
"""

import json
from pathlib import Path
import sys
import tempfile

from coverage import Coverage
from coverage.exceptions import NoDataError

LIMIT = 95.0


def percentages(data_files: list[str]) -> dict[str, float]:
    """Return the covered percentage of lines and branches together, by module."""
    coverage = Coverage(data_file=None)
    coverage.combine(data_files, keep=True)
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        coverage.json_report(outfile=report.name)
        files = json.loads(Path(report.name).read_text(encoding="utf-8"))["files"]
    return {
        name: file["summary"]["percent_covered"]
        for name, file in files.items()
        if file["summary"]["num_statements"]
    }


def main() -> int:
    """Print what is below the limit."""
    try:
        covered = percentages(sys.argv[1:])
    except NoDataError as error:
        print(error)
        return 1
    low = {name: percent for name, percent in covered.items() if percent <= LIMIT}
    for name, percent in sorted(low.items(), key=lambda item: item[1]):
        print(f"{percent:5.1f} %  {name}")
    print(f"{len(covered) - len(low)} of {len(covered)} modules are covered above {LIMIT:.0f} %")
    return bool(low)


if __name__ == "__main__":
    sys.exit(main())
