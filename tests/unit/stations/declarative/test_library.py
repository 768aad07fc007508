from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path

import pytest

from custom_components.forecourt.stations.declarative.library import SHIPPED, Library
from custom_components.forecourt.stations.declarative.load import ProfileError
from custom_components.forecourt.stations.declarative.profile import Confidence

from .profiles import ENTITIES, MODBUS, MQTT


def put(folder: Path, name: str, text: str, age_s: int = 0) -> None:
    """Write a profile; a later one is always newer, whatever the clock of the disk resolves."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    at = 2_000_000_000 - age_s
    os.utime(path, (at, at))


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = tmp_path / "shipped"
    put(folder, "box", MODBUS)
    put(folder, "talker", MQTT)
    (folder / "profile.schema.json").write_text("{}")
    return folder


def test_what_there_is_to_choose(shipped: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    put(own, "others", ENTITIES)
    library = Library(shipped, own)

    assert library.ids() == ("box", "others", "talker")
    assert [(each.id, each.vendor, each.own) for each in library.choices()] == [
        ("box", "Box", False),
        ("others", "Others", True),
        ("talker", "Talker", False),
    ]
    first = library.choices()[0]
    assert (first.models, first.protocol) == (("Box 1",), "modbus")
    assert first.confidence is Confidence.READ
    assert list(library.by_vendor()) == ["Box", "Others", "Talker"]
    assert set(library.all()) == {"box", "others", "talker"}


def test_a_profile_is_read_once(shipped: Path) -> None:
    library = Library(shipped)
    assert library.get("box") is library.get("box")
    library.reload()
    assert library.get("box") is library.all()["box"]


def test_who_is_not_there(shipped: Path, tmp_path: Path) -> None:
    library = Library(shipped, tmp_path / "nowhere")
    with pytest.raises(KeyError):
        library.get("nobody")


def test_one_broken_profile_leaves_the_others(shipped: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    put(own, "broken", "format: 1\nid: other\n")
    library = Library(shipped, own)

    assert set(library.all()) == {"box", "talker"}
    assert [each.id for each in library.choices()] == ["box", "talker"]
    assert set(library.problems()) == {"broken"}
    with pytest.raises(ProfileError, match=r"broken\.yaml, line 1: protocol: It is missing"):
        library.get("broken")


def test_a_users_profile_replaces_and_extends_a_shipped_one(shipped: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    put(own, "box", "id: box\nextends: box\nvendor: Mine\n")
    library = Library(shipped, own)

    assert library.get("box").vendor == "Mine"
    assert library.get("box").models == ("Box 1",)
    assert [each.own for each in library.choices() if each.id == "box"] == [True]
    (own / "box.yaml").unlink()
    assert library.reload() == {"box"}
    assert library.get("box").vendor == "Box"


def test_changes_are_seen_when_asked_for(shipped: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    put(own, "others", ENTITIES, age_s=9)
    library = Library(shipped, own)
    assert library.reload() == {"box", "talker", "others"}
    assert library.reload() == frozenset()
    before = library.get("box")
    assert library.get("others").vendor == "Others"

    put(own, "others", ENTITIES.replace("vendor: Others", "vendor: Edited"))
    assert library.get("others").vendor == "Others"
    assert library.reload() == {"others"}
    assert library.get("others").vendor == "Edited"
    assert library.get("box") is before

    put(own, "others", "nonsense", age_s=5)
    library.reload()
    assert set(library.problems()) == {"others"}

    put(own, "new_one", ENTITIES.replace("id: others", "id: new_one"))
    assert library.reload() == {"new_one"}
    assert library.get("new_one").id == "new_one"


def test_a_change_of_what_is_extended_is_a_change(shipped: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    put(own, "my_box", "id: my_box\nextends: box\nphases: 1\n")
    library = Library(shipped, own)
    assert library.get("my_box").vendor == "Box"

    put(shipped, "box", MODBUS.replace("vendor: Box", "vendor: Boxes"), age_s=7)
    assert "my_box" in library.reload()
    assert library.get("my_box").vendor == "Boxes"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"format: 1\nid: \xff\n", "line 2: It is not UTF-8"),
        (b"#" * 300_000, "larger than 256 KiB"),
        (b"\xef\xbb\xbfid: own_box\nextends: ../box\n", "No profile '../box' comes with"),
        (b"id: own_box\nextends: nobody\n", "line 2: extends: No profile 'nobody'"),
    ],
)
def test_files_that_cannot_be_profiles(
    shipped: Path, tmp_path: Path, content: bytes, told: str
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "own_box.yaml").write_bytes(content)
    with pytest.raises(ProfileError) as caught:
        Library(shipped, own).get("own_box")
    assert told in str(caught.value)


def test_what_cannot_be_opened_is_told_and_what_is_gone_is_not_there(
    shipped: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "folder.yaml").mkdir()
    (own / "gone.yaml").symlink_to(own / "nowhere")
    library = Library(shipped, own)

    assert set(library.problems()) == {"folder"}
    assert "It cannot be read" in str(library.problems()["folder"])
    assert "gone" not in library.ids()


def test_several_threads_may_ask(shipped: Path) -> None:
    library = Library(shipped)

    def ask(turn: int) -> int:
        if turn % 3 == 0:
            library.reload()
        return len(library.all())

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(ask, range(60))) == {2}


def test_all_that_come_with_it_are_right() -> None:
    library = Library()
    assert not {name: str(each) for name, each in library.problems().items()}
    assert len(library.all()) == len(list(SHIPPED.glob("*.yaml")))
