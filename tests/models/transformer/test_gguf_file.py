"""GGUF files: values block by block against scalar decoders, and refusal of damaged files."""

import struct

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.transformer.gguf_file import SUPPORTED_TENSOR_TYPES, open_gguf
from tests.models.transformer.tiny_folder import TINY, TOKENS, random_tensors, write_gguf


@pytest.fixture(scope="module")
def tiny_gguf(tmp_path_factory):
    return write_gguf(tmp_path_factory.mktemp("gguf") / "model.gguf")


def write_one_tensor(path, values, encoding, raw=None):
    kind = gguf.GGMLQuantizationType[encoding]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("t", values if raw is None else raw, raw_dtype=None if raw is None else kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def half(raw: bytes) -> float:
    return struct.unpack("<e", raw)[0]


def decode_q4_k(block: bytes) -> list[float]:
    """256 values in 8 groups: value = d * scale * code - dmin * minimum, scale and minimum of 6 bits each.

    Bytes: d, dmin (halves); 12 with the scales and minima; 128 with the codes, 32 for each pair of groups, low halves
    first. Of the 12, bytes 0-3 hold scales 0-3 and bytes 4-7 minima 0-3 in their low 6 bits; bytes 8-11 hold the low
    4 bits of scales and minima 4-7, whose high 2 bits stand at the top of bytes 0-3 and 4-7.
    """
    d, least, packed, codes = half(block[:2]), half(block[2:4]), block[4:16], block[16:]
    scales = [packed[j] & 63 for j in range(4)] + [packed[8 + j] & 15 | packed[j] >> 6 << 4 for j in range(4)]
    minima = [packed[4 + j] & 63 for j in range(4)] + [packed[8 + j] >> 4 | packed[4 + j] >> 6 << 4 for j in range(4)]
    values = []
    for group in range(8):
        half_bytes = codes[32 * (group // 2) : 32 * (group // 2) + 32]
        for byte in half_bytes:
            code = byte >> 4 if group % 2 else byte & 15
            values.append(d * scales[group] * code - least * minima[group])
    return values


def decode_q6_k(block: bytes) -> list[float]:
    """256 values in 16 groups of 16: value = d * scale * (code - 32), codes of 6 bits, scales signed bytes.

    Bytes: 128 with the low 4 bits of the codes, 64 with the high 2 bits, 16 scales, d. In each half of 128 values the
    quarters of 32 take, in turn, the low and then the high halves of 64 bytes, and bits 0-1, 2-3, 4-5, 6-7 of 32 bytes.
    """
    low, high, scales, d = block[:128], block[128:192], struct.unpack("<16b", block[192:208]), half(block[208:])
    values = []
    for i in range(256):
        part, quarter, lane = i // 128, i % 128 // 32, i % 32
        byte = low[64 * part + 32 * (quarter % 2) + lane]
        code = (byte >> 4 if quarter >= 2 else byte & 15) | (high[32 * part + lane] >> 2 * quarter & 3) << 4
        values.append(d * scales[i // 16] * (code - 32))
    return values


def decode_block(encoding: str, block: bytes) -> list[float]:
    """The values of one block, from the layouts in the documentation of ggml."""
    if encoding == "Q4_K":
        return decode_q4_k(block)
    if encoding == "Q6_K":
        return decode_q6_k(block)
    if encoding == "Q5_0":  # scale, 32 fifth bits, 16 bytes of codes
        fifth, codes = int.from_bytes(block[2:6], "little"), block[6:]
        low = [byte & 15 for byte in codes] + [byte >> 4 for byte in codes]
        return [half(block[:2]) * ((code | (fifth >> i & 1) << 4) - 16) for i, code in enumerate(low)]
    if encoding == "Q8_0":  # scale, 32 signed bytes
        return [half(block[:2]) * code for code in struct.unpack("<32b", block[2:])]
    offset = 4 if encoding == "Q4_1" else 2  # scale, for Q4_1 also minimum; low halves of 16 bytes, then high halves
    codes = [byte & 15 for byte in block[offset:]] + [byte >> 4 for byte in block[offset:]]
    if encoding == "Q4_1":
        return [half(block[:2]) * code + half(block[2:4]) for code in codes]
    return [half(block[:2]) * (code - 8) for code in codes]


# Bytes of a block, its values, and where its half-precision numbers stand; any bits do for the rest.
BLOCKS = {
    "Q8_0": (34, 32, (0,)),
    "Q4_0": (18, 32, (0,)),
    "Q4_1": (20, 32, (0, 2)),
    "Q5_0": (22, 32, (0,)),
    "Q4_K": (144, 256, (0, 2)),
    "Q6_K": (210, 256, (208,)),
}


@pytest.mark.parametrize("encoding", BLOCKS)
def test_blocks_equal_a_scalar_decoder(tmp_path, encoding):
    block_byte, values_per_block, halves = BLOCKS[encoding]
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, (3, 2, block_byte), dtype=np.uint8)
    for offset in halves:
        raw[..., offset : offset + 2] = rng.uniform(-2, 2, (3, 2, 1)).astype("<f2").view(np.uint8)
    file = open_gguf(write_one_tensor(tmp_path / "t.gguf", None, encoding, raw.reshape(3, -1)))
    assert file.tensors["t"].shape == (3, 2 * values_per_block)
    expected = [[value for block in row for value in decode_block(encoding, block.tobytes())] for row in raw]
    values = file.read("t")
    assert values.dtype == np.float32
    # Each value is a product of exact numbers, or the difference of two, rounded to float32 in another order.
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=2e-7 * np.max(np.abs(expected)))
    assert len(np.unique(values)) > 32


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    exact = np.random.default_rng(0).standard_normal((3, 40)).astype(np.float32)
    upper = (exact.view(np.uint32) >> 16).astype(np.uint16)
    path = write_one_tensor(tmp_path / "t.gguf", None, "BF16", upper.view(np.uint8))
    expected = (upper.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(open_gguf(path).read("t"), expected)
    assert 1e-4 < np.max(np.abs(expected - exact)) < 2**-7 * 4


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_plain_tensors_are_read_exactly(tmp_path, dtype):
    values = np.random.default_rng(0).standard_normal((2, 3, 5)).astype(dtype)
    file = open_gguf(write_one_tensor(tmp_path / "t.gguf", values, "F32"))
    np.testing.assert_array_equal(file.read("t"), values.astype(np.float32))
    assert file.read("t").flags.writeable  # a copy: the model must not change when the file does


def test_metadata_equal_those_of_the_gguf_package(tiny_gguf):
    ours = open_gguf(tiny_gguf).metadata
    fields = {name: field for name, field in gguf.GGUFReader(tiny_gguf).fields.items() if not name.startswith("GGUF.")}
    assert ours == {name: field.contents() for name, field in fields.items()}
    assert ours["tokenizer.ggml.tokens"] == TOKENS


def test_metadata_of_every_type(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    values = {"uint8": 200, "int8": -3, "uint16": 60000, "int16": -300, "uint32": 2**31, "int32": -(2**30)}
    values |= {"uint64": 2**40, "int64": -(2**40), "float32": 0.5, "float64": 0.1, "bool": True, "string": "λ"}
    for kind, value in values.items():
        getattr(writer, f"add_{kind}")(f"test.{kind}", value)
    writer.add_array("test.floats", [0.5, 0.25])
    writer.add_array("test.flags", [True, False])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    metadata = open_gguf(tmp_path / "m.gguf").metadata
    expected = {f"test.{kind}": value for kind, value in values.items()}
    expected |= {"test.floats": [0.5, 0.25], "test.flags": [True, False], "general.architecture": "llama"}
    assert metadata == expected


@given(share=st.floats(0, 1, exclude_max=True))
def test_every_truncation_is_refused(tiny_gguf, share):
    content = tiny_gguf.read_bytes()
    last = max(tensor.offset_byte + tensor.size_byte for tensor in open_gguf(tiny_gguf).tensors.values())
    short = tiny_gguf.with_name("short.gguf")
    short.write_bytes(content[: int(share * last)])
    with pytest.raises(ValueError, match=r"is truncated|is not a GGUF file"):
        open_gguf(short)


def test_one_byte_less_is_truncated(tiny_gguf, tmp_path):
    last = max(tensor.offset_byte + tensor.size_byte for tensor in open_gguf(tiny_gguf).tensors.values())
    (tmp_path / "short.gguf").write_bytes(tiny_gguf.read_bytes()[: last - 1])
    with pytest.raises(ValueError, match=f"holds {last - 1} bytes and its header promises {last}; download it again"):
        open_gguf(tmp_path / "short.gguf")


@pytest.mark.parametrize(
    ("offset", "new", "message"),
    [
        (0, b"GGML", "does not start with the letters GGUF"),
        (4, struct.pack("<I", 1), "GGUF version 1; little-endian versions 2 and 3"),
        (4, struct.pack(">I", 3), "little-endian versions 2 and 3"),
        (16, struct.pack("<Q", 2**50), "is truncated|is damaged"),
        (24, struct.pack("<Q", 2**62), "its header goes on beyond"),
        (32, b"\xff\xfe", "not UTF-8"),
    ],
)
def test_damaged_headers_are_refused(tiny_gguf, tmp_path, offset, new, message):
    content = bytearray(tiny_gguf.read_bytes())
    content[offset : offset + len(new)] = new
    (tmp_path / "damaged.gguf").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        open_gguf(tmp_path / "damaged.gguf")


def test_unsupported_encoding_is_named_with_the_supported(tmp_path):
    raw = np.zeros((2, 84), dtype=np.uint8)  # one Q2_K block of 256 values per row
    path = write_one_tensor(tmp_path / "t.gguf", None, "Q2_K", raw)
    with pytest.raises(ValueError, match=f"'t' in .* has type Q2_K.*supported are {', '.join(SUPPORTED_TENSOR_TYPES)}"):
        open_gguf(path)


def test_tensors_of_a_model(tiny_gguf):
    file = open_gguf(tiny_gguf)
    tensors = random_tensors()
    assert file.tensors["token_embd.weight"].shape == (TINY.vocabulary, TINY.width)
    np.testing.assert_array_equal(file.read("blk.1.ffn_down.weight"), tensors["model.layers.1.mlp.down_proj.weight"])
