"""The search space from params: what may be narrowed, what is refused, what is found."""

import dataclasses

import keras
import keras_tuner
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from pipeline.errors import ParamsError
from pipeline.params import Search, check_params
from pipeline.search.normalisation import affine, input_moments
from pipeline.search.outline import as_table, outline
from pipeline.search.proposals import Proposer
from pipeline.search.space import Narrowing, check_space
from pipeline.search.task import build_tuner, initial_hyperparameters
from pipeline.search.trial import (
    Data,
    Study,
    build,
    class_weights,
    hyperparameters_of,
    run_trial,
)

EMPTY = {"space": [], "values": {}}
IMAGES = {"kind": "image", "task": "classification", "classes": ["a", "b"]}
TEXT = {"kind": "text", "task": "regression", "vocabulary": [f"w{n}" for n in range(50)]}


def params(kind="structured", task="classification", **search):
    data = {"kind": kind, "path": "x.csv", "task": task, "target": "y", "image_size": [8, 8], "channels": 1}
    return check_params(
        {"seed": 0, "data": data | ({"column": "c"} if kind == "text" else {}), "search": search}
    )


@pytest.fixture(scope="module")
def tables():
    return outline(params())


@pytest.fixture(scope="module")
def images():
    return outline(params("image"))


def study_of(schema, x, settings, tmp_path, seed=0):
    y = (np.arange(len(x), dtype=np.float32) % 2).reshape(-1, 1)
    tuner, network = build_tuner(schema, x, y, settings, seed, tmp_path / "tuner")
    data = Data(np.concatenate([x, x]), np.concatenate([y, y]), len(x))
    return tuner, Study(network, data, settings, seed, True, input_moments(x))


def test_outline_finds_what_only_some_networks_have(tables, images):
    found = {entry.name: entry for entry in tables}
    assert found["structured_data_block_1/dense_block_1/units_2"].condition == {
        "structured_data_block_1/dense_block_1/num_layers": 3
    }
    assert found["learning_rate"].values == [0.1, 0.01, 0.001, 0.0001, 2e-05, 1e-05]
    names = {entry.name for entry in images}
    assert {
        "image_block_1/conv_block_1/filters_2_1",
        "image_block_1/res_net_block_1/version",
        "image_block_1/efficient_net_block_1/trainable",
        "image_block_1/image_augmentation_1/rotation_factor",
    } <= names


def test_table_of_the_space_shows_what_params_leave(images):
    lines = as_table(images, params("image", space={"learning_rate": [0.001]})).splitlines()
    assert lines[0].split() == ["name", "kind", "values", "searched", "condition", "default"]
    block = next(line for line in lines if line.startswith("image_block_1/block_type"))
    assert block.split("  ")[0] == "image_block_1/block_type"
    assert "resnet, xception, vanilla, efficient" in block
    assert block.rstrip().split()[-2] == "vanilla"
    assert next(line for line in lines if line.startswith("learning_rate")).split()[-2] == "0.001"


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"space": {"learning_rat": [0.1]}}, r"learning_rat is not a known hyperparameter. Did you mean learning_rate\?"),
        ({"space": {"zzz": 1}}, r"zzz is not a known hyperparameter. Known are: classification_head_1/dropout"),
        ({"space": {"learning_rate": [0.001, 0.5]}}, r"learning_rate must be one of 0.1, 0.01, .* but got 0.5"),
        ({"space": {"image_block_1/augment": 1}}, r"augment must be one of False, True, but got 1"),
        ({"space": {"image_block_1/res_net_block_1/pretrained": True}}, r"cannot be true without weights. Set search.pretrained"),
        ({"pretrained": "nowhere"}, r"search.pretrained must name a folder with weights files \(\*.h5\), but got 'nowhere'"),
    ],
)  # fmt: skip
def test_space_that_no_network_has_is_refused(images, search, message):
    with pytest.raises(ParamsError, match=message):
        check_space(images, Search(**search))


def test_space_of_no_values_is_refused_with_the_params():
    with pytest.raises(
        ParamsError, match=r"search.space: optimizer must have a value or a list of values, but got \[\]"
    ):
        params(space={"optimizer": []})


@pytest.mark.parametrize("tuner", ["greedy", "random", "bayesian"])
def test_proposals_stay_in_the_narrowed_space(make_study, tuner):
    space = {"learning_rate": [0.01, 0.0001], "optimizer": "sgd", "structured_data_block_1/normalize": False}
    settings = Search(tuner=tuner, epochs=1, batch_size=50, max_trials=4, space=space)
    made, study = make_study(settings)
    proposer = Proposer(made, study.network, 0, settings)
    for number in range(4):
        record, _ = run_trial(study, number, proposer.propose(number))
        proposer.end(record)
        values = record.hyperparameters
        assert values["learning_rate"] in space["learning_rate"]
        assert (values["optimizer"], values["structured_data_block_1/normalize"]) == ("sgd", False)


def test_image_search_keeps_to_the_small_family_and_never_downloads(tmp_path):
    x = np.random.default_rng(0).integers(0, 255, (16, 8, 8, 1)).astype(np.uint8)
    settings = Search(tuner="random", epochs=1, max_trials=2)
    tuner, study = study_of(IMAGES, x, settings, tmp_path)
    space = Proposer(tuner, study.network, 0, settings).space()
    block = next(entry for entry in space if entry["name"] == "image_block_1/block_type")
    assert (block["kind"], block["value"]) == ("Fixed", "vanilla")
    wider = Narrowing(Search(space={"image_block_1/block_type": ["vanilla", "resnet"]}))
    assert wider.values("image_block_1/block_type") == ["vanilla", "resnet"]
    assert wider.values("image_block_1/res_net_block_1/pretrained") == [False]


@pytest.mark.parametrize("schema", [IMAGES, TEXT], ids=["image", "text"])
def test_first_hyperparameters_of_a_greedy_search_run_and_repeat_themselves(tmp_path, schema):
    numbers = np.random.default_rng(0)
    if schema is IMAGES:
        x = numbers.integers(0, 255, (32, 12, 12, 3)).astype(np.uint8)
    else:
        x = numbers.integers(0, 52, (32, 20)).astype(np.int32)
    _, study = study_of(schema, x, Search(epochs=2), tmp_path)
    for values in initial_hyperparameters(schema):
        one, two = (run_trial(study, 0, {"space": [], "values": values})[0] for _ in range(2))
        assert one.status == "COMPLETED", one.error
        assert one.outcome() == two.outcome()
        unused = {name for name in values if name not in one.hyperparameters}
        assert unused == set()


def test_saved_image_network_has_layers_of_keras_only(tmp_path):
    x = np.zeros((16, 8, 8, 1), np.uint8)
    x[0] = 9
    _, study = study_of(IMAGES, x, Search(epochs=1), tmp_path)
    model = build(study, hyperparameters_of(study, EMPTY))
    assert {type(layer).__module__.partition(".")[0] for layer in model.layers} == {"keras"}


@pytest.mark.slow
def test_pretrained_weights_come_from_a_local_folder(tmp_path):
    keras.applications.ResNet50V2(weights=None, include_top=False).save_weights(
        tmp_path / "resnet50v2.weights.h5"
    )
    block = "image_block_1/res_net_block_1"
    space = {
        "image_block_1/block_type": "resnet",
        f"{block}/pretrained": True,
        f"{block}/version": "resnet50_v2",
    }
    settings = Search(epochs=1, space=space, pretrained=str(tmp_path))
    x = np.zeros((4, 32, 32, 3), np.uint8)
    _, study = study_of(IMAGES, x, settings, tmp_path)
    model = build(study, hyperparameters_of(study, EMPTY))
    (nested,) = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    saved = keras.applications.ResNet50V2(weights=str(tmp_path / "resnet50v2.weights.h5"), include_top=False)
    assert all(np.array_equal(a, b) for a, b in zip(nested.get_weights(), saved.get_weights(), strict=True))
    empty = tmp_path / "empty"
    empty.mkdir()
    elsewhere = dataclasses.replace(study, search=settings.model_copy(update={"pretrained": str(empty)}))
    with pytest.raises(FileNotFoundError, match=r"must hold the pretrained weights of resnet50v2"):
        build(elsewhere, hyperparameters_of(study, EMPTY))


def test_normalisation_is_what_keras_would_have_adapted(study, data):
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.values = {"structured_data_block_1/normalize": True}
    model = build(study, hyperparameters)
    (layer,) = [layer for layer in model.layers if isinstance(layer, keras.layers.Rescaling)]
    assert layer.get_config()["scale"] == affine(study.moments).get_config()["scale"]
    adapted = keras.layers.Normalization()
    adapted.adapt(data.x[:100])
    assert np.allclose(layer(data.x), adapted(data.x), atol=1e-6)


def test_moments_of_images_are_those_of_their_channels():
    x = np.random.default_rng(0).integers(0, 255, (50, 6, 6, 3)).astype(np.uint8)
    mean, variance = input_moments(x)
    assert np.allclose(mean, x.mean(axis=(0, 1, 2)))
    assert np.allclose(variance, x.var(axis=(0, 1, 2)))
    assert input_moments(np.zeros((2, 3), np.int32)) is None


@pytest.mark.parametrize("codes", [[0, 0, 0, 1], [0, 1, 2, 2, 2]])
def test_class_weights_are_scikit_learns(codes):
    codes = np.array(codes)
    expected = compute_class_weight("balanced", classes=np.unique(codes), y=codes)
    targets = (
        codes.reshape(-1, 1).astype(np.float32) if codes.max() == 1 else np.eye(3, dtype=np.float32)[codes]
    )
    assert np.allclose(list(class_weights(targets).values()), expected)


def test_class_weights_change_the_training(make_study):
    digests = set()
    for weights in (None, "balanced"):
        settings = Search(epochs=2, class_weights=weights)
        _, study = make_study(settings)
        kept = study.data._replace(n_train=60)
        digests.add(run_trial(dataclasses.replace(study, data=kept), 0, EMPTY)[0].weights["digest"])
    assert len(digests) == 2
