"""Files of tensors: what is written is read, in memory of its own, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from animator_core.tensor_file import read_metadata, read_tensors, write_tensors

LIMIT = 1 << 20
METADATA = {"version": "1", "picture": "ada"}


def make_tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    values = torch.randn(64, 33, generator=generator)
    return {
        "flow": values,
        "half": values.half(),
        "bytes": (values * 100).to(torch.uint8),
        "flags": values > 0,
        "number": torch.tensor(3.5, dtype=torch.float64),
        "nothing": torch.zeros(0, 4),
        "turned": torch.arange(6).reshape(2, 3).T,
    }


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "basis.safetensors"
    write_tensors(path, make_tensors(), METADATA)
    return path


def test_tensors_of_every_kind_come_back_as_they_were(written: Path) -> None:
    found, expected = read_tensors(written, METADATA, LIMIT), make_tensors()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    assert {name: read_metadata(written)[name] for name in METADATA} == METADATA


def test_a_file_that_is_cut_short_later_takes_nothing_from_what_was_read(written: Path) -> None:
    found = read_tensors(written, METADATA, LIMIT)
    written.write_bytes(b"")
    # From a mapped file this would end the process with SIGBUS.
    assert torch.equal(found["flow"], make_tensors()["flow"])


@pytest.mark.parametrize("damage", ["empty", "truncated", "one bit", "metadata", "text", "no checksum"])
def test_a_damaged_file_is_a_value_error(written: Path, damage: str) -> None:
    content = bytearray(written.read_bytes())
    if damage == "no checksum":
        save_file(make_tensors() | {"turned": torch.zeros(1)}, written, METADATA)
    else:
        content[-100] ^= 1
        replaced = bytes(content[:-100]).replace(b'"picture":"ada"', b'"picture":"bob"') + written.read_bytes()[-100:]
        written.write_bytes(
            {
                "empty": b"",
                "truncated": bytes(content[:-50]),
                "one bit": bytes(content),
                "metadata": replaced,
                "text": b"no tensors, " * 20,
            }[damage]
        )
    metadata = {**METADATA, "picture": "bob"} if damage == "metadata" else METADATA
    with pytest.raises(ValueError):
        read_tensors(written, metadata, LIMIT)


@pytest.mark.parametrize("change", [{"version": "2"}, {"grid": "5"}])
def test_a_file_of_other_metadata_says_which(written: Path, change: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=f"of another {next(iter(change))}"):
        read_tensors(written, {**METADATA, **change}, LIMIT)
    with pytest.raises(ValueError, match="of another picture"):
        read_tensors(written, {"version": "1"}, LIMIT)


def test_a_file_over_the_limit_is_not_read(written: Path) -> None:
    size = written.stat().st_size
    assert read_tensors(written, METADATA, size)
    with pytest.raises(ValueError, match="over"):
        read_tensors(written, METADATA, size - 1)


def test_a_file_that_cannot_be_had_or_made_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_tensors(tmp_path / "none", {}, LIMIT)
    with pytest.raises(OSError):
        write_tensors(tmp_path / "no folder" / "file", make_tensors(), {})
