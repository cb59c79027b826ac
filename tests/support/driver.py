"""One process that drives a ledger through append, seal and backup, saying what is durable.

`python -m support.driver ROOT RUN`: RUN makes the ids differ between runs. Prints one line of ids
after each batch that was acknowledged. Exits with 0 when it came to its end, 1 on an error that
the ledger reported in its own words, 3 on anything else.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from pathlib import Path

import httpx2

from indelible.app.local import LocalLedger
from indelible.base.errors import IndelibleError

BATCHES = 6


def lines(run: str, batch: int) -> tuple[list[str], bytes]:
    """Ids and NDJSON of one batch."""
    ids = [f"{run}-{batch}-{at}" for at in range(5)]
    form = (
        '{"action":"thing.update","actor":{"type":"user","id":"u"},'
        '"target":{"type":"thing","id":"t"},"id":"%s"}'
    )
    return ids, "\n".join(form % one for one in ids).encode()


async def drive(root: Path, run: str) -> int:
    """Open, post, seal, post, back up, close."""
    failed = 0
    async with LocalLedger(root / "data") as ledger:
        token = (root / "writer.token").read_text()
        transport = httpx2.ASGITransport(app=ledger.app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://local",
            headers={"authorization": f"Bearer {token}"},
        ) as client:
            for batch in range(BATCHES):
                ids, content = lines(run, batch)
                answer = await client.post("/v1/events", content=content)
                if answer.status_code == 200:
                    print(*ids, flush=True)
                else:
                    failed = 1
                if batch == 2:
                    await ledger.rooms.seal()
        if len(sys.argv) > 3:
            await ledger.rooms.backup(root / f"backup-{run}", None)
    return failed


def main() -> int:
    """Run; see the module."""
    try:
        return asyncio.run(drive(Path(sys.argv[1]), sys.argv[2]))
    except IndelibleError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"os: {error}", file=sys.stderr)
        return 1
    except Exception:  # noqa: BLE001 - the test wants to see it
        traceback.print_exc()
        return 3


if __name__ == "__main__":
    sys.exit(main())
