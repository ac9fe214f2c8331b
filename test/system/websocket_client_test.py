"""A plain WebSocket client (websockets) against the real binary: several generations on one socket, as docs/websocket.md says."""
import json

from server import Server, expect, need_model, need_module

need_model()
need_module("websockets")
from websockets.sync.client import connect

with Server() as server:
    with connect(server.url.replace("http", "ws") + "/v1/ws", open_timeout=10) as socket:
        question = {"messages": [{"role": "user", "content": "Name three colours."}], "temperature": 0, "max_tokens": 24}
        for name in ("a", "b", "c"):
            socket.send(json.dumps({"type": "submit", "id": name, "request": question if name != "c" else
                                    {"prompt": "Once upon a time", "max_tokens": 400, "temperature": 0, "ignore_eos": True}}))
        texts, finished, sequence = {}, {}, {}
        while len(finished) < 3:
            message = json.loads(socket.recv(timeout=60))
            name = message.get("id")
            if message["type"] == "tokens":
                texts[name] = texts.get(name, "") + message["text"]
                expect(message["seq"] >= sequence.get(name, 0), f"seq never goes back: {message}")
                sequence[name] = message["seq"]
                if name == "c" and len(texts["c"]) > 20:
                    socket.send(json.dumps({"type": "cancel", "id": "c"}))
            elif message["type"] in ("finished", "error", "cancelled"):
                finished[name] = message
        expect(texts["a"] == texts["b"], "the same question gives the same answer beside other generations")
        expect(finished["a"]["type"] == "finished", f"a finished: {finished['a']}")
        expect(finished["c"]["type"] != "finished", f"c was cancelled: {finished['c']}")

        status, whole, _ = server.post("/v1/chat/completions", question)
        expect(status == 200 and whole["choices"][0]["message"]["content"] == texts["a"], "WebSocket and HTTP give the same text")

        socket.send("{not json")
        expect(json.loads(socket.recv(timeout=10))["type"] == "error", "bad JSON is an error message, the socket stays")
        socket.send(json.dumps({"type": "submit", "id": "d", "request": {**question, "max_tokens": 2}}))
        kinds = []
        while not kinds or kinds[-1] not in ("finished", "error"):
            kinds.append(json.loads(socket.recv(timeout=60))["type"])
        expect(kinds[-1] == "finished", f"the socket is usable after an error: {kinds}")
print("ok")
