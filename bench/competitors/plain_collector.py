"""A collector as a team would write it first: FastAPI and kafka-python, which judges nothing and knows no keys.

After FastAPI's "Custom Response" (a `Request` in, a `Response` out: nothing is validated or converted by the frame) and
kafka-python's usage page: `send`, and callbacks, which bring the results back to the event loop together, once a
request. It sends a structured event as it came, and each event of a batch as JSON of its own. JSON is read and written
by pydantic-core, which FastAPI brings along.
"""

import asyncio
import sys
from collections.abc import Sequence
from itertools import count
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from kafka import KafkaProducer
from pydantic_core import from_json, to_json

HOST = "127.0.0.1"
JSON_TYPE = "application/json"


def settled(futures: Sequence[Any]) -> "asyncio.Future[None]":
    """Done when the producer's thread has an answer for each of them."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    left = count(len(futures) - 1, -1)

    def one(_: object) -> None:
        if next(left) == 0:
            loop.call_soon_threadsafe(done.set_result, None)

    for future in futures:
        future.add_both(one)
    return done


def main(bootstrap: str, topic: str, port: int) -> None:
    """Serve until killed."""
    app = FastAPI()
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)

    @app.get("/readyz")
    async def ready() -> str:
        return "ready"

    @app.post("/v1/events")
    async def publish(request: Request) -> Response:
        body = await request.body()
        is_batch = request.headers["content-type"].startswith("application/cloudevents-batch+json")
        values = [to_json(event) for event in from_json(body)] if is_batch else [body]
        futures = [producer.send(topic, value) for value in values]
        await settled(futures)
        if any(future.failed() for future in futures):
            return Response(status_code=503)
        found = [future.value for future in futures]
        events = [{"topic": one.topic, "partition": one.partition, "offset": one.offset} for one in found]
        return Response(to_json({"events": events}), 202, media_type=JSON_TYPE)

    uvicorn.run(app, host=HOST, port=port, loop="asyncio", http="httptools", access_log=False, log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
