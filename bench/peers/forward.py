"""
forward.py picows|aiohttp|websockets PORT COUNT BOOTSTRAP TOPIC: a WebSocket forwarded blindly, on uvloop, by confluent-kafka.
Prints what limits/forward.c prints.
"""

import asyncio
import sys
import time

import uvloop
from confluent_kafka import Producer

library, port, wanted, bootstrap, topic = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
url = f"ws://127.0.0.1:{port}/blast"
producer = Producer(
    {
        "bootstrap.servers": bootstrap,
        "acks": "all",
        "enable.idempotence": True,
        "compression.codec": "lz4",
        "linger.ms": 5,
        "queue.buffering.max.messages": 200000,
    }
)
taken = 0
began_s = began_cpu_s = 0.0


def put(message: bytes) -> None:
    global taken, began_s, began_cpu_s
    if taken == 0:
        began_s, began_cpu_s = time.monotonic(), time.process_time()
    while True:
        try:
            producer.produce(topic, message)
            break
        except BufferError:
            producer.poll(0.05)
    taken += 1
    if not taken & 255:
        producer.poll(0)


async def by_websockets() -> None:
    import websockets

    async with websockets.connect(url, compression=None, max_queue=1024) as socket:
        while taken < wanted:
            put(await socket.recv(decode=False))


async def by_aiohttp() -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.ws_connect(url, compress=0) as socket:
        async for message in socket:
            put(message.data.encode() if isinstance(message.data, str) else message.data)


async def by_picows() -> None:
    import picows

    over = asyncio.Event()

    class Listener(picows.WSListener):
        def on_ws_frame(self, transport, frame) -> None:
            if frame.msg_type == picows.WSMsgType.TEXT:
                put(frame.get_payload_as_bytes())

        def on_ws_disconnected(self, transport) -> None:
            over.set()

    await picows.ws_connect(Listener, url)
    while taken < wanted and not over.is_set():
        await asyncio.sleep(0.02)


uvloop.run({"websockets": by_websockets, "aiohttp": by_aiohttp, "picows": by_picows}[library]())
left = producer.flush(600)
if taken != wanted or left:
    sys.exit(f"{library}: {taken} of {wanted} taken, {left} not acknowledged")
print(taken, taken - left, f"{time.monotonic() - began_s:.6f} {time.process_time() - began_cpu_s:.6f}")
