"""What a user without klingflow writes: the official SDK, a semaphore and a loop that polls.

    python sdk_script.py BASE_URL PROMPTS.json FOLDER AT_ONCE EVERY_S

It keeps no ledger: when it dies, the task ids are lost.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from openai import AsyncOpenAI


async def make(client: AsyncOpenAI, prompt: str, target: Path, every_s: float) -> None:
    """Buy one video, wait for it, download it."""
    video = await client.videos.create(
        model="kling-2.5",
        prompt=prompt,
        seconds="5",  # type: ignore[arg-type]
        extra_body={"output_config": {"resolution": "720P", "duration": "5"}},
    )
    while video.status in ("queued", "in_progress"):
        await asyncio.sleep(every_s)
        video = await client.videos.retrieve(video.id)
    if video.status != "completed":
        print(f"{target.name}: {video.error}")
        return
    content = await client.videos.download_content(video.id)
    content.write_to_file(target)
    print(f"{target.name}: {video.model}")


async def main(base_url: str, prompts: str, folder: str, at_once: str, every_s: str) -> None:
    """Make a video of each prompt of a JSON list."""
    wanted = json.loads(await asyncio.to_thread(Path(prompts).read_text))
    places = asyncio.Semaphore(int(at_once))
    # A create that may have been charged must not be sent again, which is what the SDK does by
    # default.
    async with AsyncOpenAI(base_url=f"{base_url}/v1", api_key="sk-any", max_retries=0) as client:

        async def placed(number: int, prompt: str) -> None:
            async with places:
                await make(client, prompt, Path(folder) / f"{number:04}.mp4", float(every_s))

        await asyncio.gather(*(placed(*each) for each in enumerate(wanted)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
