"""Bad images, texts, arrays and columnar files, each with the message that it gets."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline import paths
from pipeline.errors import DataError, ParamsError
from pipeline.params import check_params
from pipeline.prepare.stage import run

N = 40
LABELS = ["yes", "no"] * (N // 2)
TEXTS = [f"a message with number {n} in it" for n in range(N)]


def png(value=0, size=(6, 6), mode="L"):
    stream = io.BytesIO()
    pixels = (np.arange(size[0] * size[1]).reshape(size) * 3 + value) % 256
    Image.fromarray(pixels.astype(np.uint8)).convert(mode).save(stream, "PNG")
    return stream.getvalue()


def image_folder(folder, **files):
    """Twenty images in each of two classes, with some files added as class__name."""
    for label in ("cat", "dog"):
        (folder / "images" / label).mkdir(parents=True)
        for n in range(20):
            (folder / "images" / label / f"{n:02d}.png").write_bytes(png(n))
    for name, content in files.items():
        path = folder / "images" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(exist_ok=True)
        if content is not None:
            path.write_bytes(content)


def image_table(folder, paths_of_images=None, labels=None, suffix="csv"):
    """Forty images beside a table that names them."""
    (folder / "images").mkdir()
    names = [f"{n:02d}.png" for n in range(N)]
    for n, name in enumerate(names):
        (folder / "images" / name).write_bytes(png(n))
    rows = zip(paths_of_images or names, labels or LABELS, strict=True)
    with (folder / "images" / f"table.{suffix}").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "label"), *rows])


def texts(folder, values=TEXTS, labels=LABELS):
    pd.DataFrame({"text": values, "label": labels}).to_csv(folder / "texts.csv", index=False)


def npz(folder, **arrays):
    np.savez(folder / "data.npz", **arrays)


def parquet(folder, **columns):
    sound = {"size": np.arange(N) / 7, "label": LABELS}
    pd.DataFrame(sound | columns).to_parquet(folder / "table.parquet", index=False)


def csv_file(folder, **columns):
    sound = {"size": np.arange(N) / 7, "label": LABELS}
    pd.DataFrame(sound | columns).to_csv(folder / "table.csv", index=False)


def with_broken_parquet(folder):
    parquet(folder)
    content = (folder / "table.parquet").read_bytes()
    (folder / "table.parquet").write_bytes(content[: len(content) // 2])


def train_and_test(folder, **test_columns):
    (folder / "parts").mkdir()
    csv_file(folder)
    (folder / "table.csv").rename(folder / "parts" / "train.csv")
    pd.DataFrame(test_columns).to_csv(folder / "parts" / "test.csv", index=False)


def but(values, **changes):
    copy = list(values)
    for place, value in changes.items():
        copy[int(place.removeprefix("row_"))] = value
    return copy


IMAGES = {"kind": "image", "path": "images", "image_size": [6, 6], "channels": 1}
TABLE_OF_IMAGES = IMAGES | {"train": "table.csv", "column": "file", "target": "label"}
TEXT = {"kind": "text", "path": "texts.csv", "column": "text", "target": "label"}
NPZ = {"path": "data.npz"}
NPZ_IMAGES = {"kind": "image", "path": "data.npz", "image_size": [6, 6], "channels": 1}
PARQUET = {"path": "table.parquet", "target": "label"}
TABLE = {"path": "table.csv", "target": "label"}
PARTS = {"path": "parts", "train": "train.csv", "test": "test.csv", "target": "label"}
PIXELS = np.random.default_rng(0).integers(0, 255, (N, 6, 6)).astype(np.uint8)
CODES = np.arange(N) % 2

BAD = [
    ("truncated image", lambda f: image_folder(f, cat__x_dot_png=png(size=(60, 60))[:90]), IMAGES, {},
     r"images: must hold whole PNG, JPEG or BMP images, but 1 cannot be read \(images/cat/x.png: "),
    ("not an image", lambda f: image_folder(f, cat__x_dot_png=b"hello"), IMAGES, {},
     r"1 cannot be read \(images/cat/x.png: cannot identify image file"),
    ("empty image file", lambda f: image_folder(f, dog__x_dot_jpg=b""), IMAGES, {}, r"images/dog/x.jpg: cannot identify"),
    ("empty class", lambda f: image_folder(f, bird__x=None), IMAGES, {}, r"images/bird must hold images .* but got none"),
    ("loose images", lambda f: image_folder(f, x_dot_png=png()), IMAGES, {}, r"but got 1 beside the sub-folders \(x.png"),
    ("no classes", lambda f: (f / "images").mkdir(), IMAGES, {}, r"must hold one sub-folder of images a class, but got none"),
    ("rare class of images", lambda f: image_folder(f, bird__x_dot_png=png()), IMAGES, {},
     r"class 'bird' of target 'class' must have at least 5 rows for a stratified split, but got 1"),
    ("blank images", lambda f: [image_folder(f), [p.write_bytes(png()[:0] or _blank()) for p in f.glob("images/*/*")]],
     IMAGES, {}, r"every pixel has the value 0"),
    ("folder for a table", image_folder, {"path": "images", "target": "label"}, {},
     r"must name a file where data.kind is structured, but got the folder images"),
    ("image table names no file", lambda f: image_table(f, but([f"{n:02d}.png" for n in range(N)], row_4="gone.png")),
     TABLE_OF_IMAGES, {}, r"'file' must name image files .* but 1 rows do not \(line 6: 'gone.png'\)"),
    ("image table leaves its folder", lambda f: image_table(f, ["../x.png"] * N), TABLE_OF_IMAGES, {},
     r"inside the table's folder, but 40 rows do not \(line 2, 3, 4, 5, 6, …: '../x.png'\)"),
    ("image table alone", image_table, TABLE_OF_IMAGES | {"path": "images/table.csv", "train": None}, {},
     r"must name the folder that holds both table.csv and the images"),
    ("image table without columns", image_table, TABLE_OF_IMAGES | {"column": None}, {},
     r"for a table of images set data.column .* and data.target"),
    ("image column misspelt", image_table, TABLE_OF_IMAGES | {"column": "fiel"}, {},
     r"data.column names 'fiel', which is not a column of images. Did you mean file\?"),
    ("train misspelt", image_table, TABLE_OF_IMAGES | {"train": "tabel.csv"}, {},
     r"images must hold 'tabel.csv', but got \['00.png'"),
    ("train in a file", csv_file, TABLE | {"train": "x.csv"}, {}, r"must name a folder where data.train or data.test is set"),
    ("image labels missing", lambda f: image_table(f, labels=but(LABELS, row_2="")), TABLE_OF_IMAGES, {},
     r"target 'label' must have a value in every row, but 1 have none \(line 4\)"),
    ("text that is numbers", lambda f: texts(f, list(range(N))), TEXT, {},
     r"column 'text' must hold text, but 40 of 40 rows hold a number"),
    ("empty texts", lambda f: texts(f, but(TEXTS, row_3="", row_9="  ")), TEXT, {},
     r"column 'text' must have a text in every row, but 2 have none \(line 5, 11\)"),
    ("text column misspelt", texts, TEXT | {"column": "txt"}, {}, r"data.column names 'txt', .* Did you mean text\?"),
    ("text in npz", lambda f: npz(f, x=PIXELS, y=CODES), TEXT | {"path": "data.npz"}, {}, r"must name a .csv, .tsv or .parquet file"),
    ("npz without y", lambda f: npz(f, x=PIXELS), NPZ, {}, r"must hold the arrays x and y, but y is not among \['x'\]"),
    ("npz is none", lambda f: (f / "data.npz").write_bytes(b"PK nothing"), NPZ, {}, r"must be a whole .npz file"),
    ("npz of objects", lambda f: npz(f, x=np.array([{}] * N), y=CODES), NPZ, {}, r"without pickled objects"),
    ("npz of images as a table", lambda f: npz(f, x=PIXELS, y=CODES), NPZ, {}, r"must be an array of numbers of shape \(n, columns\)"),
    ("npz of float images", lambda f: npz(f, x=PIXELS / 255, y=CODES), NPZ_IMAGES, {}, r"as uint8, but got float64"),
    ("npz of five channels", lambda f: npz(f, x=np.zeros((N, 6, 6, 5), np.uint8), y=CODES), NPZ_IMAGES, {},
     r"or \(n, height, width, 1 or 3\) .* but got \(40, 6, 6, 5\)"),
    ("npz one-hot", lambda f: npz(f, x=PIXELS, y=np.eye(2)[CODES]), NPZ_IMAGES, {}, r"must have one label a row .* y.argmax\(axis=1\)"),
    ("npz too short", lambda f: npz(f, x=PIXELS, y=CODES[:-3]), NPZ_IMAGES, {}, r"shape \(40,\), but got \(37,\)"),
    ("npz infinite label", lambda f: npz(f, x=PIXELS, y=but(CODES.astype(float), row_6=np.inf)),
     NPZ_IMAGES | {"task": "regression"}, {}, r"target 'y' must hold finite numbers, but got infinity \(row 6\)"),
    ("npz label not a number", lambda f: npz(f, x=PIXELS, y=but(CODES.astype(float), row_7=np.nan)),
     NPZ_IMAGES | {"task": "regression"}, {}, r"target 'y' must have a value in every row, but 1 have none \(row 7\)"),
    ("parquet cut off", with_broken_parquet, PARQUET, {}, r"must be a whole Parquet file, but got: "),
    ("parquet nested", lambda f: parquet(f, tags=[["a"]] * N), PARQUET, {}, r"'tags' must hold one value a row, but got list"),
    ("parquet infinite", lambda f: parquet(f, size=but(np.arange(N) / 7, row_5=np.inf)), PARQUET, {},
     r"'size' must hold finite numbers, but got infinity \(row 5\)"),
    ("three texts in a number", lambda f: csv_file(f, wide=but(range(100, 100 + N), row_1="x"), size=np.arange(N) / 7), TABLE, {},
     r"column 'wide' holds numbers, but got text in 1 rows \(line 3: 'x'\)"),
    ("dates with mistakes", lambda f: csv_file(f, day=but([f"2026-01-{1 + n % 28:02d}" for n in range(N)], row_2="soon")), TABLE, {},
     r"column 'day' holds dates, but got something else in 1 rows \(line 4: 'soon'\)"),
    ("declared a date", csv_file, TABLE | {"types": {"size": "date"}}, {}, r"'size' must hold dates such as 2026-11-21, but got"),
    ("group misspelt", csv_file, TABLE, {"group": "shop"}, r"split.group names 'shop', which is not a column"),
    ("two groups", lambda f: csv_file(f, shop=["a", "b"] * (N // 2)), TABLE, {"group": "shop"},
     r"'shop' must have at least 3 groups to divide, but got 2"),
    ("group with gaps", lambda f: csv_file(f, shop=but([f"s{n % 9}" for n in range(N)], row_1="")), TABLE, {"group": "shop"},
     r"split.group: column 'shop' must have a value in every row, but 1 have none"),
    ("time that is none", lambda f: csv_file(f, day=["soon", "later"] * (N // 2)), TABLE, {"time": "day"},
     r"split.time: column 'day' must have a number or an ISO date in every row, but 40 have none"),
    ("test file without a column", lambda f: train_and_test(f, size=[1.0], lable=["yes"]), PARTS, {},
     r"test.csv must have the columns of train.csv, but label is not among"),
    ("class only in the test file", lambda f: train_and_test(f, size=[1.0, 2.0], label=["yes", "maybe"]), PARTS, {"stratify": False},
     r"class 'maybe' of target 'label' must have at least 1 row to learn from, but got 0"),
    ("sample too small", csv_file, TABLE | {"sample": 0.05}, {}, r"class 'no' .* but got 1. .* or raise data.sample"),
]  # fmt: skip


def _blank():
    stream = io.BytesIO()
    Image.new("L", (6, 6)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("make", "data", "split", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_prepare_of_bad_input_says_what_and_writes_nothing(folder, make, data, split, message):
    make(folder)
    settings = {"seed": 0, "data": {"task": "classification"} | data, "split": split}
    with pytest.raises(DataError, match=message):
        run(check_params(settings))
    assert not paths.PREPARED.exists()


@pytest.mark.parametrize(
    ("data", "split", "message"),
    [
        (
            {"kind": "text", "target": "label"},
            {},
            r"data.column is missing. Set it to the column with the text",
        ),
        ({"kind": "sound", "target": "label"}, {}, r"data.kind must be 'structured', 'image' or 'text'"),
        (
            {"column": "text", "target": "label"},
            {},
            r"data.column must be null where data.kind is structured",
        ),
        ({"target": "label", "channels": 4}, {}, r"data.channels must be 1 or 3, but got 4"),
        ({"target": "label", "image_size": [0, 3]}, {}, r"data.image_size.0 must be at least 1, but got 0"),
        ({"target": "label", "sample": 1.5}, {}, r"data.sample must be less than 1, but got 1.5"),
        ({"target": "label"}, {"group": "a", "time": "b"}, r"split.group and split.time cannot be set both"),
    ],
)
def test_params_that_no_data_can_fit_are_refused(data, split, message):
    with pytest.raises(ParamsError, match=message):
        check_params({"seed": 0, "data": {"path": "x.csv", "task": "classification"} | data, "split": split})


def test_several_bad_things_at_once_are_named_in_one_message(folder):
    image_folder(folder, cat__x_dot_png=b"no", dog__y_dot_png=b"neither")
    with pytest.raises(DataError, match=r"2 cannot be read \(images/cat/x.png: .*; images/dog/y.png: "):
        run(check_params({"seed": 0, "data": {"task": "classification"} | IMAGES}))
