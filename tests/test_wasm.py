"""The assembler of the page's kernel."""

import hashlib
from importlib.resources import files

import pytest

from chargen.web.wasm import assemble

KERNEL = (files("chargen.web") / "assets" / "kernel.wat").read_text(encoding="utf-8")


def test_the_kernel_becomes_what_the_reference_assembler_makes_of_it() -> None:
    """Byte for byte what wat2wasm of WABT 1.0.39 writes; a change of kernel.wat takes a new digest from there."""
    digest = "2b7b32ad100b1b14b4c0014beb2e7d57bbe570114e1fd3ab7b11bd4b4f9f8e18"
    assert hashlib.sha256(assemble(KERNEL)).hexdigest() == digest


def test_numbers_take_as_many_bytes_as_they_need() -> None:
    """A constant whose seventh bit is set takes one more, since it would be a sign there."""
    text = KERNEL.replace("i32.const 64", "i32.const 63")
    assert len(assemble(KERNEL)) - len(assemble(text)) == text.count("i32.const 63")
    assert assemble(KERNEL.replace("i32.const 64", "i32.const 300")).count(b"\x41\xac\x02") == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("f32x4.mul", "f32x4.div", "unknown instruction 'f32x4.div'"),
        ('(import "page" "memory" (memory 1))', "", "a module must import a memory"),
    ],
)
def test_what_the_assembler_does_not_know_is_an_error(old: str, new: str, message: str) -> None:
    """Nothing is left out in silence."""
    with pytest.raises(ValueError, match=message):
        assemble(KERNEL.replace(old, new))
