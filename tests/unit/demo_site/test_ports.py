from collections.abc import Iterator
import subprocess
import sys

import pytest

from script.demo_site.ports import claim_port, held, is_free
from script.demo_site.process import ROOT

OTHER_RUN = "from script.demo_site.ports import claim_port; print(claim_port(int(input())))"


@pytest.fixture
def port() -> Iterator[int]:
    """Return a port that another program has."""
    port = claim_port(20_000)
    with held(port):
        yield port


def test_a_port_in_use_is_skipped(port: int) -> None:
    assert not is_free(port)
    assert claim_port(port) > port


def test_a_port_that_somebody_has_can_be_held_as_well(port: int) -> None:
    with held(port):
        assert not is_free(port)


def test_a_port_that_was_held_is_free_again() -> None:
    port = claim_port(20_000)
    with held(port):
        pass
    assert is_free(port)


def test_what_one_run_has_claimed_another_does_not_take() -> None:
    port = claim_port(20_000)
    other = subprocess.run(
        [sys.executable, "-c", OTHER_RUN],
        input=str(port),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(other.stdout) > port


def test_there_is_an_end_of_ports() -> None:
    with pytest.raises(OSError, match="no free port"):
        claim_port(65_536)
