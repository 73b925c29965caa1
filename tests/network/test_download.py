"""download(): the oracle is a loopback server whose bytes, faults and requests the test itself
controls.
"""

import hashlib
import http.server
import os
import socket
import threading

import pytest

from effdet_lite.download import DownloadError, download
from effdet_lite.files import WriteError

BODY = bytes(range(250)) * 2400
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        if self.path == "/missing":
            return self.send_error(404)
        self.send_response(200)
        if self.path == "/chunked-broken":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"ffff\r\n" + BODY[:1000])
        else:
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY[: 300_000 if self.path == "/broken" else None])

    def log_message(self, *_):
        pass


class Stalled(Handler):
    """Sends half of the file, then nothing, and keeps the connection open."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[:1000])
        self.server.release.wait(10)


@pytest.fixture(params=[Handler], ids=[""])
def server(request, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), request.param) as server:
        server.requests, server.release = [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.release.set()
        server.shutdown()


def test_the_file_arrives_whole_and_is_not_fetched_again(server, tmp_path, capsys):
    target = tmp_path / "new" / "weights.bin"
    assert download(f"{server.url}/file", target, SHA256.upper()) == target
    assert target.read_bytes() == BODY
    assert "weights" in capsys.readouterr().err  # the progress bar
    download(f"{server.url}/file", target, SHA256)
    download(f"{server.url}/file", target)
    assert server.requests == ["/file"]
    assert os.listdir(target.parent) == ["weights.bin"]


def test_the_first_digits_of_a_hash_are_enough(server, tmp_path):
    target = download(f"{server.url}/file", tmp_path / "f", SHA256[:8].upper(), progress=False)
    download(f"{server.url}/file", target, SHA256[:8])
    assert server.requests == ["/file"]
    with pytest.raises(DownloadError, match="not 12345678"):
        download(f"{server.url}/file", tmp_path / "g", "12345678", progress=False)
    assert os.listdir(tmp_path) == ["f"]


def test_several_fetch_one_file_at_once(server, tmp_path):
    """Each reader finds the whole file or none, and nothing is left beside it."""
    target, failures = tmp_path / "weights.bin", []

    def fetch():
        try:
            download(f"{server.url}/file", target, SHA256, progress=False)
            assert target.read_bytes() == BODY
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and os.listdir(tmp_path) == ["weights.bin"]


def test_a_damaged_file_on_disk_is_replaced(server, tmp_path, capsys):
    target = tmp_path / "weights.bin"
    target.write_bytes(BODY[:-1])
    download(f"{server.url}/file", target, SHA256, progress=False)
    assert target.read_bytes() == BODY
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "path, sha256, sentence",
    [
        ("/broken", None, "broke off after 300,000 of 600,000 bytes"),
        ("/chunked-broken", None, "cannot be fetched"),
        ("/file", "0" * 64, f"has SHA-256 {SHA256}, not 000"),
        ("/missing", None, "answers 404 Not Found"),
    ],
)
@pytest.mark.parametrize("before", [None, b"older file"])
def test_a_failure_is_one_sentence_and_leaves_the_folder_as_it_was(
    server, tmp_path, path, sha256, sentence, before
):
    target = tmp_path / "weights.bin"
    if before and sha256 is None:
        sha256 = SHA256  # otherwise the older file would be taken as good
    if before:
        target.write_bytes(before)
    with pytest.raises(DownloadError, match=sentence) as caught:
        download(server.url + path, target, sha256, progress=False)
    assert "\n" not in str(caught.value)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == (
        {"weights.bin": before} if before else {}
    )


@pytest.mark.parametrize("server", [Stalled], indirect=True)
def test_a_server_that_goes_silent_is_given_up(server, tmp_path):
    with pytest.raises(DownloadError, match="timed out"):
        download(f"{server.url}/file", tmp_path / "weights.bin", progress=False, timeout=0.3)
    assert not any(tmp_path.iterdir())


def test_unreachable_host_unwritable_place_and_odd_scheme(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as unused:  # bound but not listening: a connection is refused
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(DownloadError, match="refused"):
            download(
                f"http://127.0.0.1:{unused.getsockname()[1]}/x", tmp_path / "x", progress=False
            )
    (tmp_path / "source").write_bytes(BODY)
    with pytest.raises(WriteError, match="could not be written"):
        download((tmp_path / "source").as_uri(), tmp_path / "source" / "x", progress=False)
    with pytest.raises(ValueError, match="http, https or file"):
        download("data:,hello", tmp_path / "x")
    assert download((tmp_path / "source").as_uri(), tmp_path / "copy", SHA256).read_bytes() == BODY
    assert sorted(os.listdir(tmp_path)) == ["copy", "source"]
