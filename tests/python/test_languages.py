"""One region in Swift, C, Python, Rust and Go: the same memory for all of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import languages
import pytest

import zinc

from .conftest import ROOT, may_unshare

pytestmark = pytest.mark.skipif(
    not os.access(ROOT, os.W_OK), reason="another user can't build the programs"
)


@pytest.fixture(scope="module")
def programs(programs: Path) -> dict[str, list[str]]:
    """How the program of each language is run; Swift's is built by the fixture of this name."""
    # As the tests of the module in Go do it, so that its standard library is built once.
    return languages.programs("-race")


@pytest.fixture
def peers(programs: dict[str, list[str]]) -> Iterator[dict[str, languages.Peer]]:
    """A process of each language."""
    started = {language: languages.Peer(command) for language, command in programs.items()}
    yield started
    for peer in started.values():
        peer.end()


def test_all_languages_have_the_same_memory(name: str, peers: dict[str, languages.Peer]) -> None:
    assert {"C", "Python", "Swift"} <= peers.keys()
    with zinc.create(name, 10_000) as region:
        region.as_buffer()[0] = 42
        own = languages.place_of(os.getpid(), region.address)
        places = [own, *(peer.open(name) for peer in peers.values())]
        assert len({(place.device, place.inode, place.offset) for place in places}) == 1
        assert own.inode == Path(f"/dev/shm/zinc_{name}").stat().st_ino
        assert len({place.frame for place in places}) == 1
        # Each writes what all others read.
        for offset, writer in enumerate(peers.values(), start=5000):
            writer.ask(f"write {offset} {offset % 256}")
            assert {peer.ask(f"read {offset}") for peer in peers.values()} == {offset % 256}
            assert region.as_buffer()[offset] == offset % 256
        assert {peer.ask("read 0") for peer in peers.values()} == {42}


@may_unshare
def test_root_is_told_the_frames(name: str) -> None:
    page = os.sysconf("SC_PAGESIZE")
    with zinc.create(name, 2 * page) as region, zinc.open(name) as other:
        frames = []
        for one in region, other:
            one.as_buffer()[0] = one.as_buffer()[page] = 1
            frames.append([languages.frame_of(os.getpid(), one.address + at) for at in (0, page)])
        assert frames[0] == frames[1]
        assert None not in frames[0]
        assert frames[0][0] != frames[0][1]


@pytest.mark.parametrize("language", ["C", "Rust", "Go"])
def test_questions_are_answered(programs: dict[str, list[str]], language: str) -> None:
    """What `make demo` measures."""
    if language not in programs:
        pytest.skip(f"there are no tools for {language} here")
    assert languages.round_trip(programs[language], 1000) > 0


@pytest.mark.parametrize("receiver", ["C", "Rust", "Go", "Python"])
@pytest.mark.parametrize("sender", ["C", "Rust", "Go"])
def test_examples_hand_numbers_to_each_other(
    programs: dict[str, list[str]], name: str, sender: str, receiver: str
) -> None:
    """Those of the guides, of the tutorial of C, and the one in Python that receives from all."""
    for language in sender, receiver:
        if language not in programs:
            pytest.skip(f"there are no tools for {language} here")
    send, receive = (
        Path(programs[language][0]).with_name(which)
        for language, which in ((sender, "send"), (receiver, "receive"))
    )
    receiving = [str(receive)]
    if receiver == "Python":
        receiving = [sys.executable, str(ROOT / "docs/examples/receive.py")]
    with subprocess.Popen([*receiving, name, "20"], stdout=subprocess.PIPE, text=True) as process:
        subprocess.run([send, name, "20"], check=True)
        output, _ = process.communicate()
    assert output == "".join(f"{i}: {i / 2:g}\n" for i in range(1, 21)) + "0 lost\n"
    assert process.returncode == 0


def test_readme(programs: dict[str, list[str]], name: str, tmp_path: Path) -> None:
    """Its piece of Rust, as it stands there but for the channel's name."""
    if "Rust" not in programs:
        pytest.skip("there are no tools for Rust here")
    found = re.search(r"```rust\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found
    body = found[1].replace('"camera"', f'"{name}"')
    result = "Result<(), Box<dyn std::error::Error>>"
    (tmp_path / "viewer.rs").write_text(f"fn main() -> {result} {{\n{body}Ok(())\n}}\n")
    folder = zinc.get_pkgconfig()
    crate = Path(programs["Rust"][0]).parents[1] / "libzinc.rlib"
    link = ["-L", f"native={folder}", "-C", f"link-arg=-Wl,-rpath,{folder}"]
    build = ["rustc", "--edition", "2024", "-D", "warnings", "--extern", f"zinc={crate}", *link]
    subprocess.run([*build, "viewer.rs"], cwd=tmp_path, check=True)
    with zinc.Channel.create(name, slots=4, slot_size=8, full="wait") as channel:
        viewer = subprocess.Popen([tmp_path / "viewer"], stdout=subprocess.PIPE, text=True)
        while not channel.readers:
            pass
        for byte in range(3):
            channel.send(bytes([byte]))
    assert viewer.communicate()[0] == "1 0\n2 1\n3 2\n"
    assert viewer.returncode == 0
