"""Published weights: loaded whole or refused, fetched whole or refused. The network is a server on
this machine.
"""

import functools
import hashlib
import http.server
import os
import threading
from pathlib import Path

import effdet
import pytest
import torch
import torchvision

from effdet_lite import pretrained
from effdet_lite.download import DownloadError
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.efficientnet import EfficientNet
from effdet_lite.pretrained import from_pretrained, load_effdet, load_torchvision
from effdet_lite.scaling import EFFICIENTDETS, EFFICIENTNETS


def save_published(state, folder):
    """Save a state dict as its publisher would: with the first digits of its hash in the name."""
    torch.save(state, folder / "weights.pth")
    digits = hashlib.sha256((folder / "weights.pth").read_bytes()).hexdigest()[:8]
    return (folder / "weights.pth").rename(folder / f"weights-{digits}.pth")


@pytest.fixture(scope="module")
def b0_state():
    torch.manual_seed(0)
    return torchvision.models.efficientnet_b0().state_dict()


@pytest.fixture(scope="module")
def d0_state():
    torch.manual_seed(0)
    config = effdet.get_efficientdet_config("tf_efficientdet_d0")
    return effdet.EfficientDet(config, pretrained_backbone=False).state_dict()


@pytest.fixture(scope="module")
def published(b0_state, d0_state, tmp_path_factory):
    return {
        name: save_published(state, tmp_path_factory.mktemp(name))
        for name, state in {"b0": b0_state, "d0": d0_state}.items()
    }


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; a path under /half/ breaks off in the middle of the file."""

    def do_GET(self):
        self.server.requests.append(self.path)
        half = self.path.startswith("/half/")
        self.path = self.path.removeprefix("/half")
        content = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if half else content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(published, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    handler = functools.partial(Server, directory=str(published["b0"].parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.requests, server.url = [], f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_a_download_is_checked_cached_and_loaded(
    server, published, b0_state, tmp_path, monkeypatch
):
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path / "cache"))
    url = f"{server.url}/{published['b0'].name}"
    for _ in range(2):
        model = from_pretrained("b0", url=url, progress=False)
    assert len(server.requests) == 1
    assert os.listdir(tmp_path / "cache") == [published["b0"].name]
    assert not model.training
    assert torch.equal(model.stem.conv.weight, b0_state["features.0.0.weight"])
    assert (model.config.padding, model.stem.norm.eps, model.config.norm_epsilon) == (
        "symmetric",
        1e-5,
        1e-5,
    )


def test_a_detector_comes_from_a_file(published, d0_state, tmp_path):
    model = from_pretrained("d0", cache_dir=tmp_path, url=published["d0"].as_uri(), progress=False)
    assert torch.equal(model.backbone.stem.conv.weight, d0_state["backbone.conv_stem.weight"])
    assert torch.equal(
        model.box_head.predict.pointwise.bias[:4],
        d0_state["box_net.predict.conv_pw.bias"][[1, 0, 3, 2]],
    )


def test_a_download_that_breaks_off_leaves_nothing(server, published, tmp_path):
    with pytest.raises(DownloadError, match="broke off after"):
        from_pretrained(
            "b0",
            cache_dir=tmp_path,
            url=f"{server.url}/half/{published['b0'].name}",
            progress=False,
        )
    assert os.listdir(tmp_path) == []


def test_a_wrong_hash_leaves_nothing(published, tmp_path):
    wrong = published["b0"].with_name("weights-00000000.pth")
    wrong.write_bytes(published["b0"].read_bytes())
    with pytest.raises(DownloadError, match=r"SHA-256 \w{64}, not 00000000"):
        from_pretrained("b0", cache_dir=tmp_path, url=wrong.as_uri(), progress=False)
    assert os.listdir(tmp_path) == []


def test_a_damaged_file_in_the_cache_is_replaced(server, published, tmp_path):
    name = published["b0"].name
    (tmp_path / name).write_bytes(published["b0"].read_bytes()[:100_000])
    from_pretrained("b0", cache_dir=tmp_path, url=f"{server.url}/{name}", progress=False)
    assert (tmp_path / name).read_bytes() == published["b0"].read_bytes()


class Trap:
    """Unpickling this creates a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_code_in_a_file_is_never_run(legacy, b0_state, tmp_path):
    file = tmp_path / "weights.pth"
    torch.save(
        {**b0_state, "trap": Trap(tmp_path / "ran")},
        file,
        _use_new_zipfile_serialization=not legacy,
    )
    with pytest.raises(
        ValueError, match="holds code, of which none was run; pass a file of tensors only"
    ):
        from_pretrained("b0", cache_dir=tmp_path / "cache", url=file.as_uri(), progress=False)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half a zip"])
def test_a_file_that_is_no_checkpoint_is_refused(content, tmp_path):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        from_pretrained(
            "b0",
            cache_dir=tmp_path / "cache",
            url=(tmp_path / "weights.pth").as_uri(),
            progress=False,
        )


def test_a_file_of_other_values_is_refused(tmp_path):
    torch.save({"state_dict": {"a": torch.zeros(1)}, "epoch": 3}, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="flat mapping from names to tensors"):
        pretrained.read_tensors(tmp_path / "weights.pth")


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"'d9'; choose one of b0, .*, d7x\."):
        from_pretrained("d9")


def test_the_addresses_are_the_publishers():
    for name in EFFICIENTDETS:
        assert (
            pretrained.published_url(name)
            == effdet.get_efficientdet_config(f"tf_efficientdet_{name}").url
        )
    for name in EFFICIENTNETS:
        weights = torchvision.models.get_weight(
            f"EfficientNet_{name.upper()}_Weights.IMAGENET1K_V1"
        )
        assert pretrained.published_url(name) == weights.url


# --- strictness ---

STRICT = {
    "torchvision": (EfficientNet, "b0", load_torchvision, "b0_state", "features.0.0.weight"),
    "effdet": (
        EfficientDet,
        "d0",
        load_effdet,
        "d0_state",
        "fpn.cell.1.fnode.2.combine.edge_weights",
    ),
}
DAMAGES = {
    "missing": lambda state, key: state.pop(key),
    "not used": lambda state, key: state.update({key + "2": state[key]}),
    "of another shape": lambda state, key: state.update({key: torch.cat([state[key], state[key]])}),
}


@pytest.mark.parametrize("complaint", DAMAGES)
@pytest.mark.parametrize("source", STRICT)
def test_one_tensor_that_does_not_fit_stops_all(source, complaint, request):
    family, name, load, fixture, key = STRICT[source]
    model, state = family.from_name(name), dict(request.getfixturevalue(fixture))
    before = {own: tensor.clone() for own, tensor in model.state_dict().items()}
    DAMAGES[complaint](state, key)
    with pytest.raises(ValueError, match=rf"none were loaded; 1 {complaint}: {key}"):
        load(model, state)
    assert all(torch.equal(before[own], tensor) for own, tensor in model.state_dict().items())


@pytest.mark.parametrize("source", STRICT)
def test_every_tensor_of_the_file_arrives(source, request):
    """Each of the file's tensors is made unlike all others; together they are then exactly our
    tensors.
    """
    family, name, load, fixture, _ = STRICT[source]
    state = request.getfixturevalue(fixture)
    model = family.from_name(name)
    marked = {
        key: torch.full_like(tensor, 1.0 + index)
        for index, (key, tensor) in enumerate(state.items())
    }
    load(model, marked)
    arrived = [tensor.flatten().tolist()[0] for tensor in model.state_dict().values()]
    assert sorted(arrived) == [1.0 + index for index in range(len(state))]


def test_counters_may_be_absent(b0_state):
    state = {
        key: tensor for key, tensor in b0_state.items() if not key.endswith("num_batches_tracked")
    }
    load_torchvision(EfficientNet.from_name("b0"), state)


def test_weights_of_another_size_are_refused_in_one_readable_sentence(b0_state):
    with pytest.raises(ValueError) as refused:
        load_torchvision(EfficientNet.from_name("b3"), b0_state)
    assert "and" in str(refused.value) and len(str(refused.value)) < 800
