"""Two notebooks open at once: two kernels of one learner, which share files and nothing else."""

import pytest
from jupyter_client.manager import start_new_kernel

# Both fetch one file into one folder, train the same run into folders of their own, and read it.
CODE = """
import warnings; warnings.simplefilter("ignore")
from pathlib import Path
from effdet_lite.data import ShapesDetection, eval_transforms
from effdet_lite.download import download, file_sha256
from effdet_lite.run import read_history
from effdet_lite.training import TrainConfig, train
shared = Path({shared!r})
fetched = download((shared / "source").as_uri(), shared / "cache" / "fetched", progress=False)
pictures = ShapesDetection("train", 64, 4, transforms=eval_transforms((64, 64)))
config = TrainConfig(size=(64, 64), batch_size=2, steps=3, warmup=1, output={output!r})
rows = train(config, pictures, progress=False)
assert read_history(Path({output!r}) / "last.safetensors") == rows
print(file_sha256(fetched), [row["loss"] for row in rows])
"""


@pytest.fixture
def kernels():
    """(manager, client) of two kernels that are ready."""
    started = [start_new_kernel() for _ in range(2)]
    yield started
    for manager, client in started:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.slow
def test_two_kernels_at_once_do_not_disturb_one_another(kernels, tmp_path):
    (tmp_path / "source").write_bytes(bytes(range(256)) * 4096)
    asked = [
        (
            client,
            client.execute(CODE.format(shared=str(tmp_path), output=str(tmp_path / f"{number}"))),
        )
        for number, (_, client) in enumerate(kernels)
    ]
    said = []
    for client, request in asked:
        words = ""
        while True:
            message = client.get_iopub_msg(timeout=120)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            assert message["msg_type"] != "error", "\n".join(content["traceback"])
            words += content.get("text", "")
            if content.get("execution_state") == "idle":
                break
        said.append(words)
    assert said[0] == said[1] and "[" in said[0]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["fetched"]
