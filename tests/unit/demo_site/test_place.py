import json
from pathlib import Path

from script.demo_site.place import Place, running


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
