"""Six real data sets: what comes out, computed again by other means: pandas, scikit-learn, counting by hand.

Nothing of the transform is used for what is expected; files are read by pandas and by Python itself.
"""

from __future__ import annotations

import csv
import datetime as dt
import itertools
import math
import struct
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from real_sets.sources import DATA, MISSING, examples, made, raw_table
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.utils import murmurhash3_32

import trueline.transform as tlt

pytestmark = [pytest.mark.shared, pytest.mark.skipif(bool(MISSING), reason=f"data is not there: {MISSING}")]


def ranked(tokens: Iterable[str], top_k: int | None = None) -> list[str]:
    """A vocabulary by hand: the most frequent first, of equal ones the greater by bytes; nothing empty."""
    counts = Counter(t for t in tokens if t)
    return sorted(counts, key=lambda t: (counts[t], t.encode()), reverse=True)[:top_k]


def bucket(text: str, buckets: int) -> int:
    return int(murmurhash3_32(text.encode(), 0, positive=True)) % buckets


def standard(values: Any, like: Any = None) -> np.ndarray:
    """z-scores of values by the mean and deviation of others."""
    of = np.asarray(values if like is None else like, np.float64)
    return (np.asarray(values, np.float64) - of.mean()) / of.std()


def quantile_ids(values: Sequence[float], buckets: int) -> np.ndarray:
    """The bucket of each value; boundary i is the first value with more than i/n of all values up to it."""
    ordered, n = np.sort(np.asarray(values)), len(values)
    boundaries = [ordered[i * n // buckets] for i in range(1, buckets)]
    return np.array([sum(b <= v for b in boundaries) for v in values])


def close(found: Any, expected: Any) -> None:
    """Equal up to the rounding of float32."""
    np.testing.assert_allclose(np.asarray(found, np.float64), expected, rtol=2e-6, atol=2e-7)


# ---- taxi


@pytest.fixture(scope="module")
def taxi() -> pd.DataFrame:
    return pd.read_csv(DATA / "taxi/taxi.csv", keep_default_na=False, na_values=[""])


@pytest.mark.parametrize("column", ["trip_miles", "fare", "trip_seconds"])
def test_taxi_amounts(taxi: pd.DataFrame, column: str) -> None:
    close(made("taxi").numbers(column + "_xf"), standard(taxi[column].fillna(0)))


@pytest.mark.parametrize(("column", "size"), [("payment_type", 7), ("company", 20)])
def test_taxi_words(taxi: pd.DataFrame, column: str, size: int) -> None:
    """Companies are more than the vocabulary holds: the rest, and the missing ones, are spread by their hash."""
    words = taxi[column].fillna("").tolist()
    known = ranked(words, 20)
    assert len(known) == size
    assert made("taxi").output.vocabulary_by_name("vocab_" + column) == known
    expected = [known.index(w) if w in known else size + bucket(w, 10) for w in words]
    assert made("taxi").out[column + "_xf"].to_pylist() == expected
    assert (max(expected) >= size) == (column == "company")


@pytest.mark.parametrize("column", ["pickup_latitude", "pickup_longitude", "dropoff_latitude", "dropoff_longitude"])
def test_taxi_places(taxi: pd.DataFrame, column: str) -> None:
    np.testing.assert_array_equal(
        made("taxi").numbers(column + "_xf"), quantile_ids(taxi[column].fillna(0).tolist(), 10)
    )


def test_taxi_numbers_and_label(taxi: pd.DataFrame) -> None:
    for column in ("trip_start_hour", "pickup_census_tract", "dropoff_community_area"):
        assert made("taxi").out[column + "_xf"].to_pylist() == taxi[column].fillna(0).astype(int).tolist()
    tipped = (taxi["tips"] > taxi["fare"] * 0.2).astype(int).tolist()
    assert made("taxi").out["tips_xf"].to_pylist() == tipped
    assert 3000 < sum(tipped) < 4000


def test_a_taxi_company_never_seen(taxi: pd.DataFrame) -> None:
    rows = [{"company": "Gondola Ltd. Überführung", "fare": 5.0}]
    (found,) = made("taxi").output.transform_raw_features(rows)
    assert found["company_xf"] == 20 + bucket("Gondola Ltd. Überführung", 10)
    close(found["fare_xf"], standard([5.0], taxi["fare"])[0])
    assert found["tips_xf"] == 0


# ---- adult


def adult_frame(name: str = "adult.data") -> pd.DataFrame:
    return pd.read_csv(DATA / "adult" / name, skipinitialspace=True, keep_default_na=False)


@pytest.fixture(scope="module")
def adult() -> pd.DataFrame:
    return adult_frame()


WORDS = ["workclass", "education", "marital-status", "occupation", "relationship", "race", "sex", "native-country"]


@pytest.mark.parametrize("column", WORDS)
def test_adult_words(adult: pd.DataFrame, column: str) -> None:
    """``?`` is a word of the census example, and missing (-1) in the other."""
    words = adult[column].tolist()
    with_mark, without = ranked(words), ranked(w for w in words if w != "?")
    assert made("census").output.vocabulary_by_name(column) == with_mark
    assert made("census").out[column].to_pylist() == [with_mark.index(w) for w in words]
    assert made("adult").output.vocabulary_by_name(column) == without
    assert made("adult").out[column].to_pylist() == [-1 if w == "?" else without.index(w) for w in words]
    assert made("adult").out[column + "_known"].to_pylist() == [w != "?" for w in words]


def test_adult_numbers(adult: pd.DataFrame) -> None:
    for column in ("age", "hours-per-week", "education-num"):
        close(made("adult").numbers(column), standard(adult[column]))
    for column in ("capital-gain", "capital-loss"):
        logged = np.log1p(adult[column])
        close(made("adult").numbers(column), logged / logged.max())
    for column in ("age", "capital-gain", "capital-loss", "hours-per-week", "education-num"):
        low, high = adult[column].min(), adult[column].max()
        close(made("census").numbers(column), (adult[column] - low) / (high - low))
    by_key = adult.groupby("education")["age"].transform(lambda ages: (ages - ages.mean()) / ages.std(ddof=0))
    close(made("adult").numbers("age_by_education"), by_key)
    assert made("census").out["fnlwgt"].to_pylist() == adult["fnlwgt"].tolist()


def test_adult_label(adult: pd.DataFrame) -> None:
    poor = [label == "<=50K" for label in adult["income"]]
    assert made("adult").out["income"].to_pylist() == [int(not p) for p in poor]
    assert made("census").out["income"].to_pylist() == [[float(not p), float(p)] for p in poor]


@pytest.mark.parametrize("name", ["adult", "census"])
def test_adult_labels_with_a_dot(name: str) -> None:
    """The held-out file ends its labels with a dot; both functions know."""
    held_out, output = adult_frame("adult.test"), made(name).output
    table = raw_table(examples("adult/adult.test", trim=True))
    rich = held_out["income"].eq(">50K.")
    assert (len(held_out), int(rich.sum())) == (16_281, 3_846)
    found = output.transform(table, ["income"])["income"].to_pylist()
    assert found == ([int(r) for r in rich] if name == "adult" else [[float(r), float(not r)] for r in rich])


def test_adult_blanks_are_taken_away() -> None:
    """A file that is read with its blanks gives the same features, under the names that the blanks are part of."""
    raw = raw_table(examples("adult/adult.data"))
    assert raw.column_names[1] == " workclass"
    assert raw[" workclass"][0].as_py() == " State-gov"
    renamed = raw.rename_columns([name.strip() for name in raw.column_names])
    assert made("adult").output.transform(renamed).equals(made("adult").out)


# ---- complaints


@pytest.fixture(scope="module")
def complaints() -> pd.DataFrame:
    return pd.read_csv(DATA / "complaints/consumer_complaints.csv", dtype=str, keep_default_na=False)


@pytest.mark.parametrize(
    ("column", "output", "dim"),
    [
        ("Product", "product_xf", 11),
        ("Sub-product", "sub_product_xf", 45),
        ("Company response to consumer", "company_response_to_consumer_xf", 5),
        ("State", "state_xf", 60),
        ("Issue", "issue_xf", 90),
    ],
)
def test_complaint_categories(complaints: pd.DataFrame, column: str, output: str, dim: int) -> None:
    known = ranked(complaints[column], dim + 1)
    expected = np.zeros((len(complaints), dim + 1))
    for row, word in enumerate(complaints[column]):
        if word in known:
            expected[row, known.index(word)] = 1.0
    np.testing.assert_array_equal(made("complaints").numbers(output), expected)
    assert (expected.sum(axis=1) == 0).sum() == (complaints[column] == "").sum()


def test_complaint_zip_codes(complaints: pd.DataFrame) -> None:
    """Some codes have lost zeros in front, some their last two digits, and one is none (``85-XX``)."""
    texts = complaints["ZIP code"].tolist()
    codes = [float(z.replace("X", "0") if z.rstrip("X").isdigit() else 0) for z in texts]
    assert {"6106", "300XX", "85-XX", ""} <= set(texts)
    assert sum("X" in z for z in complaints["ZIP code"]) > 500
    np.testing.assert_array_equal(made("complaints").numbers("zip_code_xf"), np.eye(11)[quantile_ids(codes, 10)])


def test_complaint_dates(complaints: pd.DataFrame) -> None:
    """Months and days have no zeros in front there."""
    received, sent = (
        [dt.datetime.strptime(text, "%m/%d/%Y") for text in complaints[name]]
        for name in ("Date received", "Date sent to company")
    )
    days = [(b - a).days for a, b in zip(received, sent, strict=True)]
    assert made("complaints").out["days_until_sent"].to_pylist() == days
    assert min(days) == -1  # one was sent before it came
    np.testing.assert_array_equal(
        made("complaints").numbers("received_weekday"), np.eye(7)[[d.weekday() for d in received]]
    )
    angles = [2 * math.pi * (d.month - 1) / 12 for d in received]
    close(made("complaints").numbers("received_season"), np.stack([np.sin(angles), np.cos(angles)], axis=1))


def test_complaint_texts_and_label(complaints: pd.DataFrame) -> None:
    out = made("complaints").out
    assert out["timely"].to_pylist() == [t == "Yes" for t in complaints["Timely response?"]]
    ascii_lower = [c.encode().lower().decode() for c in complaints["Company"]]
    assert out["company"].to_pylist() == [bucket(c, 64) for c in ascii_lower]
    pairs = zip(complaints["State"], complaints["Product"], strict=True)
    assert out["state_and_product"].to_pylist() == [bucket(f"{s}_x_{p}", 100) for s, p in pairs]
    labels = {"Yes": 1, "No": 0, "": None}
    assert out["consumer_disputed_xf"].to_pylist() == [labels[d] for d in complaints["Consumer disputed?"]]
    assert out["consumer_disputed_xf"].null_count == 57


# ---- imdb


def words_of(text: str) -> list[str]:
    """Runs of letters, marks, digits and ``_``, in small letters where they are ASCII."""
    text = text.replace("<br />", " ").encode().lower().decode()
    runs = itertools.groupby(text, lambda c: unicodedata.category(c)[0] in "LMN" or c == "_")
    return ["".join(run) for yes, run in runs if yes]


@pytest.fixture(scope="module")
def reviews() -> list[str]:
    with open(DATA / "imdb/imdb_small.csv", encoding="utf8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def test_reviews_as_ids(reviews: list[str]) -> None:
    documents = [words_of(r) for r in reviews]
    known = ranked(itertools.chain(*documents), 500)
    assert made("imdb").output.vocabulary_by_name("words") == known
    assert known[:3] == ["the", "and", "a"]
    number = {w: i for i, w in enumerate(known)}
    ids = [[number.get(w, -1) for w in d] for d in documents]
    assert made("imdb").out["review"].to_pylist() == [[i + 1 for i in (d + [-1] * 100)[:100]] for d in ids]
    assert made("imdb").out["words"].to_pylist() == [len(d) for d in documents]
    counts = [[Counter(d)[i] for i in range(500)] for d in ids]
    np.testing.assert_array_equal(made("imdb").numbers("counts"), counts)
    assert sum("é" in w for d in documents for w in d) > 0


def test_reviews_as_tfidf(reviews: list[str]) -> None:
    """scikit-learn's smooth weights are of counts, these of shares of the document; unknown words are the last id."""
    known = ranked(itertools.chain(*map(words_of, reviews)), 500)
    fixed = [[w if w in set(known) else "?" for w in words_of(r)] for r in reviews]
    counter = CountVectorizer(analyzer=lambda d: d, vocabulary=[*known, "?"])
    weights = TfidfTransformer(norm=None, smooth_idf=True).fit_transform(counter.transform(fixed)).toarray()
    for row, (ids, found) in enumerate(
        zip(made("imdb").out["tfidf_ids"].to_pylist(), made("imdb").out["tfidf_weights"].to_pylist(), strict=True)
    ):
        assert ids == np.flatnonzero(weights[row]).tolist()
        close(found, weights[row][ids] / len(fixed[row]))


def test_pairs_of_words(reviews: list[str]) -> None:
    documents = [words_of(r) for r in reviews]
    pairs = [list(dict.fromkeys(f"{a} {b}" for a, b in itertools.pairwise(d))) for d in documents]
    known = ranked(itertools.chain(*pairs), 100)
    assert made("imdb").output.vocabulary_by_name("pairs") == known
    number = {p: i for i, p in enumerate(known)}
    expected = [[number.get(p, 100 + bucket(p, 5)) for p in d] for d in pairs]
    assert made("imdb").out["pairs"].to_pylist() == expected


def test_reviews_without_markup(reviews: list[str]) -> None:
    """The server's regular expression and the portable split give the same words of these texts."""
    assert made("imdb_markup").out["words"].to_pylist() == [words_of(r) for r in reviews]
    assert made("imdb").out["shouting"].to_pylist() == [int("!!" in r) for r in reviews]


# ---- mnist


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images and classes out of the bytes of the file: frames of TFRecord, values behind the features' names."""
    data, at, images, classes = (DATA / "mnist/mnist.tfrecord").read_bytes(), 0, [], []
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        record, at = data[at + 12 : at + 12 + length], at + 16 + length
        pixels = record.index(b"image_floats") + len(b"image_floats") + 9
        images.append(np.frombuffer(record, "<f4", 784, pixels))
        classes.append(record[record.index(b"image_class") + len(b"image_class") + 6])
    return np.array(images, np.float64), np.array(classes)


def test_digits() -> None:
    images, classes = digits()
    out = made("mnist")
    np.testing.assert_array_equal(out.out["image_class_xf"].to_numpy(), classes)
    assert set(classes) == set(range(10))
    assert (images.min(), images.max()) == (-0.5, 0.5)
    np.testing.assert_array_equal(out.numbers("image_floats_xf"), images)
    # half the size with half-pixel centres: the mean of each two by two
    squares = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    close(out.numbers("small"), squares.reshape(-1, 196))
    middle = images.reshape(-1, 28, 28)[:, 4:24, 4:24].reshape(-1, 400)
    spread = np.maximum(middle.std(axis=1, keepdims=True), 1 / 20)
    np.testing.assert_allclose(
        out.numbers("standard"), (middle - middle.mean(axis=1, keepdims=True)) / spread, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(out.numbers("ink"), (images > 0).sum(axis=1))


# ---- penguin


@pytest.fixture(scope="module")
def penguins() -> pd.DataFrame:
    return pd.read_csv(DATA / "penguin/penguins_raw.csv", keep_default_na=False, na_values=["NA"])


def test_penguin_measures(penguins: pd.DataFrame) -> None:
    measures = {"culmen_length": "Culmen Length (mm)", "culmen_depth": "Culmen Depth (mm)"}
    for name, column in {**measures, "flipper_length": "Flipper Length (mm)"}.items():
        values = penguins[column]
        expected = (values - values.mean()) / values.std(ddof=0)
        close(made("penguin").numbers(name), expected.fillna(0.0))
        assert made("penguin").numbers(name + "_missing").tolist() == values.isna().astype(float).tolist()
        assert values.isna().sum() == 2
    mass = penguins["Body Mass (g)"]
    close(made("penguin").numbers("body_mass"), (mass.fillna(mass.mean()) - mass.min()) / (mass.max() - mass.min()))


def test_penguin_words(penguins: pd.DataFrame) -> None:
    """The sex of eleven is not known: they count as the most frequent one."""
    assert penguins["Sex"].isna().sum() == 11
    assert (
        made("penguin").output.vocabulary_by_name("sex") == ranked(penguins["Sex"].fillna("MALE")) == ["MALE", "FEMALE"]
    )
    assert made("penguin").out["sex"].to_pylist() == [int(s == "FEMALE") for s in penguins["Sex"]]
    islands = ranked(penguins["Island"])
    expected = np.eye(3)[[islands.index(i) for i in penguins["Island"]]]
    np.testing.assert_array_equal(made("penguin").numbers("island"), expected)
    days = pd.to_datetime(penguins["Date Egg"]).dt.day_of_year
    close(made("penguin").numbers("egg_day"), standard(days))
    species = [["Adelie", "Chinstrap", "Gentoo"].index(s.split()[0]) for s in penguins["Species"]]
    assert made("penguin").out["species"].to_pylist() == species


def test_penguins_read_without_saying_what_na_is() -> None:
    """``NA`` is text then, and the measures with it; the function reads the numbers out of the texts."""
    table, output = tlt.analyze_and_transform(str(made("penguin").real.path), made("penguin").real.function)
    assert output.raw_features(["culmen_length"])[0].dtype == "utf8"
    assert table.equals(made("penguin").out)


def test_penguins_that_are_scaled_already() -> None:
    frame = pd.read_csv(DATA / "penguin/penguins_processed.csv")
    for column in ("culmen_length_mm", "culmen_depth_mm", "flipper_length_mm", "body_mass_g"):
        close(made("penguin_processed").numbers(column + "_xf"), standard(frame[column]))
    assert made("penguin_processed").out["species"].to_pylist() == frame["species"].tolist()
