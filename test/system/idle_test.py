"""Contract 6: after 50 requests an idle server uses less than 0.3 % of a core, over 10 s, with the model loaded."""
import time

from server import Server, expect, need_model

need_model()
with Server() as server:
    for index in range(50):
        expect(server.post("/v1/completions", {"prompt": f"{index} times", "max_tokens": 4})[0] == 200, "a request works")
    time.sleep(1.0)
    before, begin = server.cpu_seconds(), time.monotonic()
    time.sleep(10.0)
    share = (server.cpu_seconds() - before) / (time.monotonic() - begin)
    print(f"idle: {share * 100:.3f} % of a core")
    expect(share < 0.003, f"an idle server uses {share * 100:.2f} % of a core")
print("ok")
