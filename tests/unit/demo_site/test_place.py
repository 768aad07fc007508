import json
from pathlib import Path
import socket

import pytest

from script.demo_site.place import Place, running
from script.demo_site.ports import free_port, is_free


def test_a_folder_belongs_to_one_run_at_a_time(tmp_path: Path) -> None:
    with Place.claim("demo", tmp_path) as first, Place.claim("demo", tmp_path) as second:
        assert first.folder == tmp_path / "demo"
        assert second.folder == tmp_path / "demo-2"
    with Place.claim("demo", tmp_path) as again:
        assert again.folder == tmp_path / "demo"


def test_a_run_begins_with_nothing(tmp_path: Path) -> None:
    with Place.claim("demo", tmp_path) as place:
        (place.folder / "config").mkdir()
        (place.folder / "config/secret").touch()
    with Place.claim("demo", tmp_path) as place:
        assert list(place.folder.iterdir()) == []


def test_what_runs_can_be_found(tmp_path: Path) -> None:
    assert running(tmp_path) is None
    with Place.claim("demo", tmp_path) as place:
        assert running(tmp_path) is None
        place.announce(control_port=1)
        assert running(tmp_path) == {"control_port": 1}
        with Place.claim("demo", tmp_path) as second:
            second.announce(control_port=2)
            assert running(tmp_path) == {"control_port": 2}
        assert running(tmp_path) == {"control_port": 1}
    assert running(tmp_path) is None


def test_what_was_killed_does_not_run(tmp_path: Path) -> None:
    with Place.claim("demo", tmp_path):
        pass
    # Nobody was left to take this away.
    (tmp_path / "demo/running.json").write_text(json.dumps({"control_port": 1}))
    assert running(tmp_path) is None


@pytest.fixture
def taken() -> socket.socket:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


def test_a_port_in_use_is_skipped(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    assert not is_free(port)
    assert free_port(port) > port


def test_a_port_that_is_promised_is_skipped() -> None:
    port = free_port(20_000)
    assert free_port(port, {port}) > port


def test_there_is_an_end_of_ports() -> None:
    with pytest.raises(OSError, match="no free port"):
        free_port(65_535, {65_535})
