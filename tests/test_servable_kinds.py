"""Images and text as a served model reads them."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.servable.images import decode_image, pixels
from pipeline.servable.rows import RowsError, dates
from pipeline.servable.text import token_numbers, tokens

IMAGES = {"columns": [{"name": "photo", "type": "image"}], "image_size": [4, 6], "channels": 1}
TEXT = {
    "columns": [{"name": "text", "type": "text"}], "text_length": 5, "lowercase": True, "keep_punctuation": True,
    "vocabulary": ["don't", "!", "stop"],
}  # fmt: skip


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


GREY = Image.fromarray(np.full((4, 6), 100, np.uint8))


@pytest.mark.parametrize(
    "image",
    [
        encoded(GREY),
        encoded(GREY, "BMP"),
        encoded(GREY.convert("RGB")),
        encoded(GREY.convert("P")),
        encoded(GREY.convert("LA")),
        encoded(Image.fromarray(np.full((4, 6), 100 * 256, np.uint16))),
        encoded(GREY.convert("CMYK"), "JPEG", quality=100),
        encoded(Image.fromarray(np.full((12, 18), 100, np.uint8))),
    ],
    ids=["grey", "bmp", "colour", "palette", "alpha", "16 bits", "cmyk", "larger"],
)  # fmt: skip
def test_images_of_every_mode_and_size_become_alike(image):
    decoded = decode_image(image, [4, 6], 1)
    assert (decoded.shape, decoded.dtype) == ((4, 6, 1), np.uint8)
    assert np.abs(decoded.astype(int) - 100).max() <= 2


def test_image_with_transparent_pixels_gets_a_white_ground():
    clear = Image.new("RGBA", (6, 4), (0, 0, 0, 0))
    assert decode_image(encoded(clear), [4, 6], 3).min() == 255


def test_image_is_turned_as_its_camera_noted():
    wide = Image.fromarray(np.tile(np.array([[0, 255]], np.uint8), (2, 1)).repeat(4, axis=1))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    turned = decode_image(encoded(wide, exif=exif), [8, 2], 1)
    assert turned[:4].max() < turned[4:].min() or turned[4:].max() < turned[:4].min()


def test_images_are_taken_as_bytes_or_paths(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(GREY))
    both = pixels(pd.DataFrame({"photo": [encoded(GREY), str(tmp_path / "a.png")]}), IMAGES)
    assert np.array_equal(both[0], both[1])


@pytest.mark.parametrize("cell", [None, 3, b"", b"GIF89a", "nowhere.png"])
def test_what_is_no_image_is_named_with_its_row(cell):
    with pytest.raises(RowsError, match=r"column 'photo' must hold images .* in row 1"):
        pixels(pd.DataFrame({"photo": [encoded(GREY), cell]}, dtype=object), IMAGES)


def test_tokens_keep_or_drop_case_and_punctuation():
    assert tokens("Don't STOP!", TEXT) == ["don't", "stop", "!"]
    assert tokens("Don't STOP!", TEXT | {"lowercase": False, "keep_punctuation": False}) == ["Don't", "STOP"]
    assert tokens("grün 日本 42", TEXT) == ["grün", "日本", "42"]


def test_texts_become_numbers_cut_and_filled_up():
    rows = pd.DataFrame({"text": ["Don't stop!", "stop stop stop stop stop stop", "new", "", None]})
    assert token_numbers(rows, TEXT).tolist() == [
        [2, 4, 3, 0, 0], [4, 4, 4, 4, 4], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0],
    ]  # fmt: skip


def test_what_is_no_text_is_named_with_its_row():
    with pytest.raises(RowsError, match=r"column 'text' must hold text, but got 3 in row 1"):
        token_numbers(pd.DataFrame({"text": ["a", 3]}, dtype=object), TEXT)
    with pytest.raises(RowsError, match=r"rows must have the model's column 'text', but got \['txt'\]"):
        token_numbers(pd.DataFrame({"txt": ["a"]}), TEXT)


def test_dates_are_read_with_and_without_times_and_zones():
    read = dates(
        pd.Series(["2026-01-02", "2026-01-02T03:00:00", "2026-01-02T03:00:00+02:00", "NA"]), frozenset({"NA"})
    )
    assert [None if pd.isna(value) else value.hour for value in read] == [0, 3, 1, None]
    with pytest.raises(
        RowsError, match=r"must hold dates such as 2026-11-21, but got text in 1 rows \(1: '1/2/26'\)"
    ):
        dates(pd.Series(["2026-01-02", "1/2/26"], name="day"), frozenset())
