"""The backbone encoder on small random models of the real classes: what it reads, shows, returns and refuses."""

import json
import sys

import huggingface_hub
import numpy as np
import pytest
import torch
import transformers as hf
from torch.nn.functional import normalize

from parmesan_engine.encoders import ENCODERS, Backbone, FilterBank, backbone, pretrained
from parmesan_engine.encoders.pictures import Pictures, input_size
from parmesan_engine.errors import FormatError, LimitError, ShapeError, UnknownNameError, VersionError
from parmesan_engine.project import Project, learning
from parmesan_engine.registry import pinned, recipe_of
from parmesan_engine.types import Sample
from tests.encoders.tiny_models import KINDS, REGISTERS, TRANSFORMERS, shared_model, write_model
from tests.helpers import TASK, make_dataset


def picture(shape=(3, 40, 30), seed=0, dtype=np.uint8):
    return Sample(np.random.default_rng(seed).integers(0, 250, shape).astype(dtype), "noise")


def small(kind="dinov2", **options):
    return Backbone(**{"model": str(shared_model(kind)), "side": 84, "filters": False, "coordinates": False, **options})


def keys(encoder, sample, **options):
    return encoder.encode(sample, **options).levels[0].keys


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_gives_unit_features_of_its_layers(kind):
    encoder = small(kind)
    pyramid = encoder.encode(picture())
    groups = list(dict.fromkeys(pyramid.groups))
    stages = ["layer1@4", "layer2@8", "layer3@16", "layer4@32"]
    assert groups == ({"dinov2": ["layer2@14"], "dinov2_registers": ["layer2@14"]}.get(kind, ["layer2@16"]) if kind in TRANSFORMERS
                      else stages[:2] if kind == "swin" else stages)
    for group in groups:
        columns = [c for c, name in enumerate(pyramid.groups) if name == group]
        torch.testing.assert_close(pyramid.levels[0].keys[:, columns].norm(dim=1), torch.ones(1200), atol=1e-5, rtol=0)
    assert pyramid.levels[0].keys.std(0).max() > 1e-3  # not everywhere the same
    assert torch.equal(keys(encoder, picture()), pyramid.levels[0].keys)


@pytest.mark.parametrize("kind", TRANSFORMERS)
def test_maps_are_the_models_own_patch_tokens(kind):
    model = hf.AutoModel.from_pretrained(shared_model(kind)).eval()
    loaded = pretrained.load(shared_model(kind), (), "float32", "cpu")
    patch, pixels = loaded.patch, torch.rand(2, 3, loaded.patch * 3, loaded.patch * 5, generator=torch.Generator().manual_seed(0))
    shown = (pixels - torch.tensor(pretrained.MEAN).view(3, 1, 1)) / torch.tensor(pretrained.STD).view(3, 1, 1)
    more = {} if "dino" in kind else {"interpolate_pos_encoding": True}
    with torch.no_grad():
        tokens = model(shown, **more).last_hidden_state[:, 1 + REGISTERS.get(kind, 0):]
        [found] = loaded.maps(pixels)
    assert found.shape == (2, 32, 3, 5) and patch == (14 if "dinov2" in kind else 16)
    torch.testing.assert_close(found.flatten(2).transpose(1, 2), tokens, atol=1e-5, rtol=1e-4)


def test_layers_are_chosen_and_checked():
    folder = shared_model()
    every = pretrained.load(folder, (0, 1, 2), "float32", "cpu").maps(torch.zeros(1, 3, 28, 28))
    chosen = pretrained.load(folder, (-1, 0), "float32", "cpu").maps(torch.zeros(1, 3, 28, 28))
    assert torch.equal(chosen[0], every[2]) and torch.equal(chosen[1], every[0])
    assert set(small(layers=[1, 2]).groups_of(3, 2)) == {"layer1@14", "layer2@14"}
    with pytest.raises(UnknownNameError, match="layers from 0 to 2 of this model"):
        small(layers=(3,)).channels_of(3, 2)
    with pytest.raises(UnknownNameError, match="float32, bfloat16"):
        small(precision="int3").channels_of(3, 2)


def test_intensities_are_those_the_model_wants(tmp_path):
    write_model("dinov2", tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.1, 0.5]}))
    own, usual = (pretrained.load(folder, (), "float32", "cpu") for folder in (tmp_path, shared_model()))
    assert (own.mean, own.std) == ((0.5, 0.4, 0.3), (0.2, 0.1, 0.5)) and (usual.mean, usual.std) == (pretrained.MEAN, pretrained.STD)
    a = torch.rand(1, 3, 28, 28)
    mean, std, other_mean, other_std = (torch.tensor(v).view(3, 1, 1) for v in (own.mean, own.std, usual.mean, usual.std))
    torch.testing.assert_close(own.maps(a)[0], usual.maps((a - mean) / std * other_std + other_mean)[0], atol=1e-4, rtol=1e-4)
    (tmp_path / "preprocessor_config.json").write_text('{"image_std": [1, 0, 1]}')
    with pytest.raises(FormatError, match="image_std"):
        pretrained.load(tmp_path, (), "float32", "cpu")


def test_what_the_model_is_shown():
    sizes = [input_size(shape, side, 14) for shape, side in (((100, 50), 84), ((10, 10), 518), ((1, 900), 84))]
    assert sizes == [(84, 42), (42, 42), (14, 84)]
    grey, colour = picture((1, 40, 30)), picture()
    torch.testing.assert_close(keys(small(), grey), keys(small(), Sample(grey.array.repeat(3, 0), "x")), atol=1e-5, rtol=0)
    assert not torch.equal(keys(small(), grey), keys(small(), colour))
    deep = [Sample((colour.array.astype(np.float64) * gain + 7).astype(np.float32), "deep") for gain in (1, 1000)]
    torch.testing.assert_close(keys(small(), deep[0]), keys(small(), deep[1]), atol=1e-3, rtol=0)
    assert Pictures(Sample(np.full((1, 3, 3), 7, np.int32), "even")).intensities(np.full(3, 7)).tolist() == [0, 0, 0]


def test_each_of_other_channels_is_a_grey_picture():
    two = picture((2, 40, 40))
    encoder = small(guided=False)
    maps = [backbone.without_position(encoder._loaded.maps(Pictures(two).shown(two.array[None], (84, 84)))[0], encoder._bases[0])]
    assert maps[0].shape[0] == 2  # one picture for each channel
    apart = [keys(encoder, Sample(two.array[c:c + 1], "x")) for c in range(2)]
    assert (keys(encoder, two) * normalize(apart[0] + apart[1], dim=1)).sum(1).mean() > 0.99
    assert (keys(encoder, two) * apart[0]).sum(1).mean() < 0.95


def test_a_volume_is_the_mean_of_the_slices_through_each_node():
    volume = picture((1, 9, 14, 11))
    encoder = small()
    found = keys(encoder, volume, stride=(1, 2, 1)).view(9, 7, 11, -1)
    for z, y, x in ((0, 0, 0), (4, 3, 5), (8, 6, 10)):
        pixel = 2 * y
        slices = [(volume.array[:, z], (2, 1), (y, x)), (volume.array[:, :, pixel], (1, 1), (z, x)),
                  (volume.array[:, :, :, x], (1, 2), (z, y))]
        total = 0
        for array, stride, at in slices:
            level = encoder.encode(Sample(np.ascontiguousarray(array), "slice"), stride=stride).levels[0]
            total = total + level.keys.view(*level.grid, -1)[at]
        torch.testing.assert_close(found[z, y, x], normalize(total, dim=0), atol=1e-5, rtol=1e-4)


def test_filters_and_coordinates_stand_behind_the_models_features():
    whole, alone, image = small(filters=True, coordinates=True), small(), picture()
    bank = FilterBank()
    assert whole.groups_of(3, 2) == (*alone.groups_of(3, 2), *bank.groups_of(3, 2))
    found = keys(whole, image)
    assert torch.equal(found[:, :32], keys(alone, image)) and torch.equal(found[:, 32:], keys(bank, image))
    placed = small(coordinates=True)
    assert torch.equal(keys(placed, image)[:, 32:], keys(bank, image)[:, -2:]) and placed.groups_of(3, 2)[-2:] == ("coordinates",) * 2


def test_half_precision_is_near():
    for kind in ("dinov2", "dinov3_convnext"):
        one, other = (keys(small(kind, precision=p, debias=False, layers=[2]), picture()) for p in ("float32", "bfloat16"))
        assert other.dtype == torch.float32 and (one * other).sum(1).min() > 0.98 and not torch.equal(one, other)


def test_signals_sizes_and_strides_are_refused(monkeypatch):
    with pytest.raises(ShapeError, match="images or volumes.*a signal; use filter_bank"):
        small().encode(picture((1, 90)))
    with pytest.raises(LimitError, match="side from 1 to 4096"):
        small(side=5000).encode(picture())
    monkeypatch.setattr(backbone.Backbone, "max_bytes", 1000)
    with pytest.raises(LimitError, match="fewer layers"):
        small().encode(picture())


def test_a_volume_can_be_cancelled_between_slices():
    seen = []

    def stop_late(fraction):
        seen.append(fraction)
        if fraction > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small().encode(picture((1, 6, 12, 12)), progress=stop_late)
    assert seen == sorted(seen) and len(seen) > 6


def test_a_model_is_pinned_by_what_is_in_its_folder(tmp_path):
    write_model("dinov2", tmp_path / "model")
    encoder = pinned(small(model=str(tmp_path / "model")))
    assert len(encoder.revision) == 16 and recipe_of(pinned(encoder)) == recipe_of(encoder)
    again = ENCODERS.build(json.loads(json.dumps(recipe_of(encoder))))
    assert torch.equal(keys(again, picture()), keys(encoder, picture()))
    write_model("dinov2", tmp_path / "model", seed=1)
    with pytest.raises(VersionError, match="fingerprint"):
        keys(small(model=str(tmp_path / "model"), revision=encoder.revision), picture())


def test_relative_folders_become_whole_paths(tmp_path, monkeypatch):
    write_model("dinov2", tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    assert pinned(small(model="model")).model == str(tmp_path.resolve() / "model")


def test_what_is_no_vision_backbone_is_told(tmp_path):
    def told(change, match, kind="dinov2"):
        folder = write_model(kind, tmp_path / str(len(list(tmp_path.iterdir()))))
        change(folder)
        with pytest.raises(FormatError, match=match):
            small(model=str(folder)).channels_of(3, 2)

    def settings(**changes):
        return lambda folder: (folder / "config.json").write_text(json.dumps(json.loads((folder / "config.json").read_text()) | changes))

    def pickled(folder):
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    def code(folder):
        settings(model_type="odd", auto_map={"AutoConfig": "odd.Odd", "AutoModel": "odd.Model"})(folder)
        (folder / "odd.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass Odd: ...\n")

    def broken(folder):
        (folder / "model.safetensors").write_bytes(b"nonsense" * 9)

    told(pickled, "no model.*safetensors; download the whole model")
    told(lambda folder: (folder / "config.json").unlink(), "no config.json")
    told(settings(num_hidden_layers=3), "all weights of a Dinov2Backbone.*missing")
    told(settings(hidden_size=16), "another shape|can load")
    told(settings(num_channels=1), "pictures in colour")
    told(code, "can load")
    told(broken, "can load")
    assert not (tmp_path / "ran").exists()
    masking = hf.ViTMAEModel(hf.ViTMAEConfig(image_size=64, **{k: KINDS["vit"][2][k] for k in ("hidden_size", "num_hidden_layers",
                                                                                              "num_attention_heads")}))
    told(masking.save_pretrained, "a token for each of 16 x 16 patches.*65 tokens of vit_mae")


def test_no_package_no_hub_no_folder(monkeypatch):
    with pytest.raises(UnknownNameError, match="folder of a model.*nowhere/at/all"):
        small(model="/nowhere/at/all").channels_of(3, 2)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UnknownNameError, match=r"hf download nobody/nothing --local-dir FOLDER.*model=FOLDER"):
        small(model="nobody/nothing").encode(picture())
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UnknownNameError, match="the package transformers.*pip install"):
        small().channels_of(3, 2)


def test_a_copy_of_the_hub_is_used_without_asking_and_named_by_its_commit(tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    home = tmp_path / "models--some--model"
    write_model("dinov2", home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    encoder = pinned(small(model="some/model"))
    assert (encoder.model, encoder.revision) == ("some/model", commit)
    assert torch.equal(keys(encoder, picture()), keys(small(), picture()))


@pytest.mark.parametrize("dims", [2, 3])
def test_a_project_learns_and_predicts_with_it(tmp_path, dims):
    data, text = make_dataset(tmp_path / "data", dims), f"backbone:model={shared_model()},side=84"
    with learning.project_for(tmp_path / "p", learning.open_dataset(data), encoder=text) as project:
        learned = learning.learn(project, data, per_class=9)
        assert learned["entries_added"] > 9 and project.encoder.revision
        sample = learning.open_dataset(data).read_sample(learning.open_dataset(data).items("test")[0])
        first = project.predict_sample(sample)
        assert first.labels.shape == sample.spatial_shape and set(np.unique(first.labels)) <= {-1, *range(len(TASK.classes))}
    with Project.open(tmp_path / "p") as project:
        assert np.array_equal(project.predict_sample(sample).labels, first.labels)
    for other, match in ((f"{text[:-2]}99", "side=84, as this"), (f"backbone:model={shared_model('vit')}", "model=.*this project")):
        with pytest.raises(FormatError, match=match):
            learning.project_for(tmp_path / "p", learning.open_dataset(data), encoder=other)
    learning.project_for(tmp_path / "p", learning.open_dataset(data), encoder=text).close()


def test_a_project_of_signals_stays_without_samples(tmp_path):
    data = make_dataset(tmp_path / "data", 1)
    with learning.project_for(tmp_path / "p", learning.open_dataset(data), encoder=f"backbone:model={shared_model()}") as project:
        with pytest.raises(ShapeError, match="no model of pictures"):
            learning.learn(project, data)
        assert len(project) == 0


def test_without_its_model_a_project_still_shows_its_history_and_forgets(tmp_path):
    data, model = make_dataset(tmp_path / "data"), write_model("dinov2", tmp_path / "model")
    with learning.project_for(tmp_path / "p", learning.open_dataset(data), encoder=f"backbone:model={model},side=84") as project:
        learning.learn(project, data, per_class=5, source="here")
        sample = project.store.read(project.samples()[0].id)
    model.rename(tmp_path / "elsewhere")
    with Project.open(tmp_path / "p") as project:
        assert len(project.history()) > 1
        with pytest.raises(UnknownNameError, match="put the folder there"):
            project.predict_sample(sample)
        assert project.forget(source="here")["entries_removed"] == 30 and len(project) == 0
